package opencode

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
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

// A SignIn is the status of one session.
type SignIn struct {
	SignedIn    bool         `json:"signedIn"`
	Subject     string       `json:"subject,omitempty"`
	ExpiresAt   *time.Time   `json:"expiresAt,omitempty"`
	Refreshable bool         `json:"refreshable"`
	End         *EndInfo     `json:"end,omitempty"`
	Problem     *ProblemInfo `json:"problem,omitempty"`
}

func signInOf(s oidc.Status) SignIn {
	var end *EndInfo
	if at := UTC(s.End.At); at != nil {
		end = &EndInfo{*at, s.End.Of}
	}
	return SignIn{s.SignedIn, s.Subject, UTC(s.ExpiresAt), s.Refreshable, end, NewProblemInfo(s.Problem)}
}

func (s SignIn) line(now time.Time) string {
	if !s.SignedIn {
		return "not signed in"
	}
	line := strings.TrimSuffix("signed in as "+s.Subject, " as ")
	if s.ExpiresAt != nil {
		line += ", token " + words.Valid(*s.ExpiresAt, now)
	}
	return line
}

// SessionStatus is the status of a session beside that of llm_base_url.
type SessionStatus struct {
	Endpoint  string `json:"endpoint"`  // the ID of the first, for --endpoint
	Endpoints string `json:"endpoints"` // the IDs of all
	SignIn
}

// lines are the status for a person, with what to do.
func (s SessionStatus) lines(now time.Time) []string {
	line := s.line(now)
	switch {
	case s.Problem != nil:
		return []string{line, s.Problem.Message, s.Problem.Hint}
	case !s.SignedIn:
		return []string{line, fmt.Sprintf(`run "oci-oidc-helper connect --endpoint %s", or /connect in OpenCode`, s.Endpoint)}
	case !s.Refreshable:
		line += ", without a refresh token"
	}
	if s.End != nil {
		return []string{line, s.End.Text(now)}
	}
	return []string{line}
}

// Status describes all sessions, without secrets.
type Status struct {
	SignIn
	Domain      string            `json:"domain"`
	Endpoint    string            `json:"endpoint"`            // llm_base_url
	Endpoints   map[string]string `json:"endpoints,omitempty"` // base URLs by provider, if there are several endpoints
	AuthMethod  string            `json:"authMethod"`
	ConfigPath  string            `json:"configPath"`
	Managed     check.Managed     `json:"managed,omitzero"`
	LogPath     string            `json:"logPath"`
	LastFailure *lastFailure      `json:"lastFailure,omitempty"`
	Version     string            `json:"version"`
	Sessions    []SessionStatus   `json:"sessions,omitempty"` // those of endpoints with a scope of their own
}

// lastFailure is the problem of the last request of a host that failed, in this process or
// another one. The host may have shown only the fixed sentence of its kind.
type lastFailure struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
}

const (
	// RequestFailed and Answered are messages of the log, by which the last failure is found.
	RequestFailed = "a request to the endpoint failed"
	Answered      = "answered with a problem"

	longAgo = 24 * time.Hour // older failures are not shown
)

func findLastFailure(logPath string) *lastFailure {
	record := logging.Last(logPath, func(record map[string]string) bool {
		return record["msg"] == RequestFailed || record["msg"] == Answered && (record["method"] == "getToken" || record["method"] == "disconnect")
	})
	at, err := time.Parse(time.RFC3339, record["time"])
	if err != nil || time.Since(at) > longAgo {
		return nil
	}
	return &lastFailure{at.UTC(), record["problem.message"], record["problem.hint"]}
}

// NewStatus returns the status of the sessions, or of the error because of which there are
// none.
func NewStatus(sessions *scopes.Sessions, err error, logPath, version string) Status {
	s := Status{LogPath: logPath, LastFailure: findLastFailure(logPath), Version: version}
	if err != nil {
		s.Problem = NewProblemInfo(problem.From(err))
		return s
	}
	config := sessions.Config()
	s.SignIn = signInOf(sessions.For("").Status())
	s.Domain, s.Endpoint, s.AuthMethod = config.DomainURL, config.BaseURL, string(config.AuthMethod)
	s.ConfigPath, s.Managed, s.Endpoints = config.Path, config.Managed, endpoint.ByProvider(config.Endpoints())
	for _, other := range sessions.All()[1:] {
		s.Sessions = append(s.Sessions, SessionStatus{other.Config().Session, endpoint.IDs(other.Config().Others), signInOf(other.Status())})
	}
	return s
}

// Title is the status in one line.
func (s Status) Title() string {
	line := s.line(time.Now())
	return strings.ToUpper(line[:1]) + line[1:]
}

// Ended says which session somebody has to sign in for again, for the mark at an account of
// the host, or is "". An endpoint with a session of its own that nobody has signed in for
// marks no account.
func (s Status) Ended() string {
	if !s.SignedIn {
		return s.Title()
	}
	for _, other := range s.Sessions {
		if !other.SignedIn && other.Subject != "" { // the tokens of a session that has ended are still there
			return "Not signed in for the endpoint " + other.Endpoint
		}
	}
	return ""
}

// A StatusView is what a person is shown besides a Status. "" leaves a row out.
type StatusView struct {
	Tokens   string // where they are saved
	Clocks   string
	Version  string
	NextStep string // "" shows the hint of the problem with the problem
}

// Text formats the status as a table.
func (s Status) Text(v StatusView) string {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, lines ...string) {
		for line := range strings.Lines(strings.Trim(strings.Join(lines, "\n"), "\n")) {
			fmt.Fprintf(table, "%s\t%s\n", name, strings.TrimSpace(line))
			name = ""
		}
	}
	signedIn := "no"
	if s.SignedIn {
		signedIn = strings.TrimSuffix("yes, as "+s.Subject, ", as ")
	}
	row("Signed in", signedIn)
	if s.ExpiresAt != nil {
		row("Token", words.Valid(*s.ExpiresAt, time.Now())+" (local time)")
	}
	switch {
	case s.SignedIn && s.Refreshable:
		row("Refresh", "by itself")
	case s.SignedIn:
		row("Refresh", "not possible: there is no refresh token")
	}
	if s.SignedIn && s.End != nil {
		row("Session", s.End.Text(time.Now()))
	}
	for _, other := range s.Sessions {
		row("Endpoint "+other.Endpoints, other.lines(time.Now())...)
	}
	row("Domain", s.Domain)
	row("Endpoint", endpoint.Lines(s.Endpoint, s.Endpoints)...)
	row("Method", s.AuthMethod)
	row("Configuration", append([]string{s.ConfigPath}, s.Managed.Text(s.ConfigPath)...)...)
	row("Tokens", v.Tokens)
	row("Log", s.LogPath)
	row("Clocks", v.Clocks)
	row("Version", v.Version)
	if p := s.Problem; p != nil && v.NextStep == "" {
		row("Problem", p.Message, p.Hint)
	} else if p != nil {
		row("Problem", p.Message)
	}
	if failed := s.LastFailure; failed != nil {
		row("Last failure", "at "+words.Clock(failed.At, time.Now())+", of a request of OpenCode:", failed.Message, failed.Hint)
	}
	row("Next step", v.NextStep)
	_ = table.Flush()
	return strings.TrimSuffix(b.String(), "\n")
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
