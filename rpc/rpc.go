// Package rpc is the conversation with the shim: JSON-RPC 2.0, one JSON object a
// line, both ways, on stdin and stdout.
//
// It promises an answer to every request, whatever is wrong with it, and that a
// bad line ends nothing. It refuses to send the refresh token or the client
// secret: only an access token, to who asks for it, crosses the wire.
//
// It decides nothing: an [oidc.Session] does.
package rpc

import (
	"encoding/json"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
)

// Protocol is the version of this conversation.
const Protocol = 1

// problemCode is the code of every error that is a problem (JSON-RPC 2.0, 5.1:
// the range for the application's own).
const problemCode = -32000

type initializeParams struct {
	Protocol int `json:"protocol"`
	Client   struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"client"`
	Directory string `json:"directory"`
}

type initializeResult struct {
	Protocol int          `json:"protocol"`
	Helper   helperInfo   `json:"helper"`
	Config   *configInfo  `json:"config,omitempty"`
	Problem  *problemInfo `json:"problem,omitempty"`
}

type helperInfo struct {
	Version  string `json:"version"`
	Platform string `json:"platform"`
}

type configInfo struct {
	Path       string `json:"path"`
	BaseURL    string `json:"baseURL"`
	AuthMethod string `json:"authMethod"`
}

type problemInfo struct {
	Kind      string `json:"kind"`
	Message   string `json:"message"`
	Hint      string `json:"hint,omitempty"`
	Retryable bool   `json:"retryable"`
}

func newProblemInfo(p *problem.Problem) *problemInfo {
	if p == nil {
		return nil
	}
	return &problemInfo{string(p.Kind), p.Message, p.Hint, p.Retryable}
}

// errorData is the data of an error that is a problem.
type errorData struct {
	Kind      string `json:"kind"`
	Hint      string `json:"hint,omitempty"`
	Retryable bool   `json:"retryable"`
}

type getTokenParams struct {
	Rejected string `json:"rejected"` // fingerprint
}

type getTokenResult struct {
	AccessToken string    `json:"accessToken"`
	TokenType   string    `json:"tokenType"`
	ExpiresAt   time.Time `json:"expiresAt"`
}

type refreshResult struct {
	ExpiresAt time.Time `json:"expiresAt"`
}

// StatusResult is what a person would ask, without secrets. The command line
// shows the same.
type StatusResult struct {
	SignedIn    bool         `json:"signedIn"`
	Subject     string       `json:"subject,omitempty"`
	ExpiresAt   *time.Time   `json:"expiresAt,omitempty"`
	Refreshable bool         `json:"refreshable"`
	Domain      string       `json:"domain"`
	Endpoint    string       `json:"endpoint"`
	AuthMethod  string       `json:"authMethod"`
	ConfigPath  string       `json:"configPath"`
	LogPath     string       `json:"logPath"`
	Problem     *problemInfo `json:"problem,omitempty"`
	Version     string       `json:"version"`
}

// NewStatusResult is the status of a session, or of none with the problem that
// is in the way of one.
func NewStatusResult(s *oidc.Session, err error, logPath, version string) StatusResult {
	r := StatusResult{LogPath: logPath, Version: version}
	if err != nil {
		r.Problem = newProblemInfo(problem.From(err))
		return r
	}
	config, status := s.Config(), s.Status()
	r.SignedIn, r.Subject, r.Refreshable = status.SignedIn, status.Subject, status.Refreshable
	r.ExpiresAt = utc(status.ExpiresAt)
	r.Domain, r.Endpoint, r.AuthMethod = config.DomainURL, config.BaseURL, string(config.AuthMethod)
	r.ConfigPath = config.Path
	r.Problem = newProblemInfo(status.Problem)
	return r
}

type connectParams struct {
	Flow        oidc.Flow `json:"flow"`
	OpenBrowser *bool     `json:"openBrowser"` // true by default
}

type connectResult struct {
	Subject   string     `json:"subject"`
	ExpiresAt *time.Time `json:"expiresAt"`
}

type connectPrompt struct {
	Flow          oidc.Flow `json:"flow"`
	URL           string    `json:"url"`
	UserCode      string    `json:"userCode,omitempty"`
	ExpiresAt     time.Time `json:"expiresAt"`
	BrowserOpened bool      `json:"browserOpened"`
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
}

type guardResult struct {
	Deny string `json:"deny,omitempty"`
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
