// Package rpc is the conversation with the shim: JSON-RPC 2.0, one JSON object a
// line, both ways, on stdin and stdout.
//
// It promises an answer to every request, whatever is wrong with it, and that a
// bad line ends nothing. It refuses to send the refresh token or the client
// secret: only an access token, to who asks for it, crosses the wire.
//
// A token comes with the time until which it is lent: until then the shim uses it
// without asking, and asks for the next in the background after each use. Whatever ends
// that earlier, a refresh, a sign-out, another window's or another configuration, is told
// with session/changed, and the shim gives the token back. With a token comes the endpoint
// that it is for, in the same message, so that none is sent to that of another session.
//
// It decides nothing about the session: an [oidc.Session] does. What the shim would have to
// decide, or to word, is decided and worded here: configure completes the host's own
// configuration, explain says what an answer of the endpoint means.
package rpc

import (
	"encoding/json"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

// Protocol is the version of this conversation.
const Protocol = 1

// problemCode is the code of every error that is a problem (JSON-RPC 2.0, 5.1:
// the range for the application's own).
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

type problemInfo struct {
	Kind      string `json:"kind"`
	Message   string `json:"message"`
	Hint      string `json:"hint,omitempty"`
	Retryable bool   `json:"retryable"`
	Brief     string `json:"brief,omitempty"` // the kind's fixed sentence
}

func newProblemInfo(p *problem.Problem) *problemInfo {
	if p == nil {
		return nil
	}
	return &problemInfo{string(p.Kind), p.Message, p.Hint, p.Retryable, opencode.Brief(p.Kind)}
}

// errorData is the data of an error that is a problem.
type errorData struct {
	Kind      string `json:"kind"`
	Hint      string `json:"hint,omitempty"`
	Retryable bool   `json:"retryable"`
	Brief     string `json:"brief,omitempty"`
}

type getTokenParams struct {
	Provider string `json:"provider"` // whose endpoint the token is for; "" for that of llm_base_url
	Rejected string `json:"rejected"` // fingerprint
}

type getTokenResult struct {
	AccessToken string     `json:"accessToken"`
	TokenType   string     `json:"tokenType"`
	ExpiresAt   time.Time  `json:"expiresAt"`
	UseUntil    *time.Time `json:"useUntil,omitempty"` // lent: not to be asked for again before
	*opencode.EndpointInfo
}

type refreshResult struct {
	ExpiresAt time.Time `json:"expiresAt"`
}

// StatusResult is what a person would ask, without secrets. The command line
// shows the same.
type StatusResult struct {
	SignedIn    bool              `json:"signedIn"`
	Subject     string            `json:"subject,omitempty"`
	ExpiresAt   *time.Time        `json:"expiresAt,omitempty"`
	Refreshable bool              `json:"refreshable"`
	Domain      string            `json:"domain"`
	Endpoint    string            `json:"endpoint"`            // that of llm_base_url
	Endpoints   map[string]string `json:"endpoints,omitempty"` // all by their providers, where there are more
	AuthMethod  string            `json:"authMethod"`
	ConfigPath  string            `json:"configPath"`
	Managed     check.Managed     `json:"managed,omitzero"`
	LogPath     string            `json:"logPath"`
	Problem     *problemInfo      `json:"problem,omitempty"`
	LastFailure *lastFailure      `json:"lastFailure,omitempty"`
	Version     string            `json:"version"`
}

// lastFailure is the problem that the last failed request of a host met, in this process
// or another one. The host may have shown its kind's fixed sentence alone.
type lastFailure struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
}

// What the log says of it.
const (
	requestFailed = "a request to the endpoint failed"
	answered      = "answered with a problem"
	longAgo       = 24 * time.Hour
)

func findLastFailure(logPath string) *lastFailure {
	record := logging.Last(logPath, func(record map[string]string) bool {
		return record["msg"] == requestFailed || record["msg"] == answered && record["method"] == "getToken"
	})
	at, err := time.Parse(time.RFC3339, record["time"])
	if err != nil || time.Since(at) > longAgo {
		return nil
	}
	return &lastFailure{at.UTC(), record["problem.message"], record["problem.hint"]}
}

// NewStatusResult is the status of a session, or of none with the problem that
// is in the way of one.
func NewStatusResult(s *oidc.Session, err error, logPath, version string) StatusResult {
	r := StatusResult{LogPath: logPath, LastFailure: findLastFailure(logPath), Version: version}
	if err != nil {
		r.Problem = newProblemInfo(problem.From(err))
		return r
	}
	config, status := s.Config(), s.Status()
	r.SignedIn, r.Subject, r.Refreshable = status.SignedIn, status.Subject, status.Refreshable
	r.ExpiresAt = utc(status.ExpiresAt)
	r.Domain, r.Endpoint, r.AuthMethod = config.DomainURL, config.BaseURL, string(config.AuthMethod)
	r.Endpoints = endpoint.ByProvider(config.Endpoints())
	r.ConfigPath, r.Managed = config.Path, config.Managed
	r.Problem = newProblemInfo(status.Problem)
	return r
}

type connectParams struct {
	Attempt     int           `json:"attempt"` // the caller's number for it, which its prompt bears
	Flow        signin.Flow   `json:"flow"`
	OpenBrowser *bool         `json:"openBrowser"` // true by default
	Confirm     string        `json:"confirm"`     // the answer to the method's question
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
	Text          string      `json:"text"` // what to do, ready-made
	Paste         bool        `json:"paste"`
	UserCode      string      `json:"userCode,omitempty"`
	ExpiresAt     time.Time   `json:"expiresAt"`
	BrowserOpened bool        `json:"browserOpened"`
}

type answerParams struct {
	Redirect string `json:"redirect"`
}

type disconnectResult struct {
	Revoked bool `json:"revoked"`
}

type guardParams struct {
	Tool      string          `json:"tool"`
	Args      json.RawMessage `json:"args"`
	Directory string          `json:"directory"`

	// What OpenCode 2 asks for, instead of a tool call.
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
	Texts []*string `json:"texts,omitempty"` // null for those that stay as they are
}

type cancelParams struct {
	ID json.RawMessage `json:"id"`
}

type sessionChanged struct {
	SignedIn  bool       `json:"signedIn"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
}

// utc is a time as the wire has it, or nothing for the zero time.
func utc(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}
