// Package rpc talks to the shim: JSON-RPC 2.0 in both directions on stdin and stdout, one
// JSON object a line.
//
// Every request is answered, even a malformed one, and a bad line does not end the
// conversation. The refresh token and the client secret are never sent. An access token is
// sent only as the answer to a request for one.
//
// With an access token comes the end of its lease: until then the shim uses the token
// without asking, and asks for the next one in the background after each use. A refresh, a
// sign-out (in any window) or a changed configuration ends the lease early; the
// notification session/changed makes the shim discard the token. The message with the token
// also names the endpoint that the token is for, so that a token cannot be sent to the
// endpoint of another session.
//
// The session is decided about by an [oidc.Session]. The decisions and texts that the shim
// would otherwise need are made here: configure completes the host's own configuration,
// and explain interprets an answer of the endpoint.
package rpc

import (
	"encoding/json"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
)

// Protocol is the version of this conversation.
const Protocol = 1

// problemCode is the JSON-RPC error code of every [problem.Problem] (JSON-RPC 2.0, 5.1: the
// range for errors of the application).
const problemCode = -32000

type initializeParams struct {
	Protocol  int        `json:"protocol"`
	Client    clientInfo `json:"client"`
	Directory string     `json:"directory"`
}

type clientInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Host    string `json:"host"`    // opencode-1 or opencode-2
	Runtime string `json:"runtime"` // bun or node
}

type initializeResult struct {
	Protocol int        `json:"protocol"`
	Helper   helperInfo `json:"helper"`
}

type helperInfo struct {
	Version  string `json:"version"`
	Platform string `json:"platform"`
}

type lacksParams struct {
	What string `json:"what"`
}

type getTokenParams struct {
	Provider string `json:"provider"` // OpenCode's provider whose endpoint the token is for; "" for that of llm_base_url
	Rejected string `json:"rejected"` // the fingerprint of a token that the endpoint has refused
}

type getTokenResult struct {
	AccessToken string     `json:"accessToken"`
	TokenType   string     `json:"tokenType"`
	ExpiresAt   time.Time  `json:"expiresAt"`
	UseUntil    *time.Time `json:"useUntil,omitempty"` // the end of the lease
	*opencode.EndpointInfo
}

type refreshResult struct {
	ExpiresAt time.Time `json:"expiresAt"`
}

type connectParams struct {
	Provider    string        `json:"provider"` // as for getToken
	Attempt     int           `json:"attempt"`  // the caller's number for this sign-in, repeated in connect/prompt
	Flow        signin.Flow   `json:"flow"`
	OpenBrowser *bool         `json:"openBrowser"` // true by default
	Confirm     string        `json:"confirm"`     // the answer to the sign-in method's question, if it has one
	View        opencode.View `json:"view"`
}

type connectResult struct {
	Text      string     `json:"text"`
	Subject   string     `json:"subject"`
	ExpiresAt *time.Time `json:"expiresAt"`
}

type connectPrompt struct {
	Attempt       int         `json:"attempt"`
	Flow          signin.Flow `json:"flow"`
	URL           string      `json:"url"`
	Text          string      `json:"text"` // what the person should do, ready to be shown
	Paste         bool        `json:"paste"`
	UserCode      string      `json:"userCode,omitempty"`
	ExpiresAt     time.Time   `json:"expiresAt"`
	BrowserOpened bool        `json:"browserOpened"`
}

type answerParams struct {
	Redirect string `json:"redirect"`
}

type guardParams struct {
	Tool      string          `json:"tool"`
	Args      json.RawMessage `json:"args"`
	Directory string          `json:"directory"`

	// Set by OpenCode 2, which asks about permissions instead of tool calls.
	Permission string   `json:"permission"`
	Resources  []string `json:"resources"`
}

type guardResult struct {
	Deny string `json:"deny"` // the reason, or ""
}

type redactParams struct {
	Tool      string   `json:"tool"`
	Texts     []string `json:"texts"`
	Directory string   `json:"directory"`
}

type redactResult struct {
	Texts []*string `json:"texts,omitempty"` // null for a text that did not change
}

type cancelParams struct {
	ID json.RawMessage `json:"id"`
}

type sessionChanged struct {
	SignedIn  bool       `json:"signedIn"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
}
