package opencode

import (
	"fmt"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
)

// ProblemInfo is a problem on the wire. As the data of a JSON-RPC error it has no Message,
// because the error has one.
type ProblemInfo struct {
	Kind      string `json:"kind"`
	Message   string `json:"message,omitempty"`
	Hint      string `json:"hint,omitempty"`
	Retryable bool   `json:"retryable"`
	Brief     string `json:"brief,omitempty"` // the kind's fixed sentence
}

// NewProblemInfo returns a problem as the wire has it, or nil for nil.
func NewProblemInfo(p *problem.Problem) *ProblemInfo {
	if p == nil {
		return nil
	}
	return &ProblemInfo{string(p.Kind), p.Message, p.Hint, p.Retryable, Brief(p.Kind)}
}

// SessionStatus is the status of a session beside that of llm_base_url.
type SessionStatus struct {
	Endpoint    string       `json:"endpoint"`  // the ID of the first, for --endpoint
	Endpoints   string       `json:"endpoints"` // the IDs of all
	SignedIn    bool         `json:"signedIn"`
	Subject     string       `json:"subject,omitempty"`
	ExpiresAt   *time.Time   `json:"expiresAt,omitempty"`
	Refreshable bool         `json:"refreshable"`
	Problem     *ProblemInfo `json:"problem,omitempty"`
}

// Lines are the status for a person, with what to do.
func (s SessionStatus) Lines(now time.Time) []string {
	line := "not signed in"
	if s.SignedIn {
		line = strings.TrimSuffix("signed in as "+s.Subject, " as ")
	}
	if s.ExpiresAt != nil {
		line += ", token " + words.Valid(*s.ExpiresAt, now)
	}
	switch {
	case s.Problem != nil:
		return []string{line, s.Problem.Message, s.Problem.Hint}
	case !s.SignedIn:
		return []string{line, fmt.Sprintf(`run "oci-oidc-helper connect --endpoint %s", or /connect in OpenCode`, s.Endpoint)}
	case !s.Refreshable:
		line += ", without a refresh token"
	}
	return []string{line}
}

// OtherSessions returns the statuses of the sessions beside that of llm_base_url.
func OtherSessions(sessions *scopes.Sessions) (all []SessionStatus) {
	for _, other := range sessions.All()[1:] {
		s := other.Status()
		all = append(all, SessionStatus{other.Config().Session, endpoint.IDs(other.Config().Others), s.SignedIn, s.Subject, UTC(s.ExpiresAt), s.Refreshable, NewProblemInfo(s.Problem)})
	}
	return all
}

// Renewed says that the token of a session was renewed, or why it was not.
func Renewed(session *oidc.Session, token oidc.Token, err error) string {
	which := "The token"
	if c := session.Config(); c.Session != "" {
		which += " for " + endpoint.Named(c.Others)
	}
	if err != nil {
		return fmt.Sprintf("%s was not renewed. %s", which, problem.From(err).Error())
	}
	return fmt.Sprintf("%s was renewed and is %s (local time).", which, words.Valid(token.ExpiresAt, time.Now()))
}

// UTC returns a time as it is sent, in UTC and whole seconds, or nil for the zero time.
func UTC(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}
