package rpc

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
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

// StatusResult describes the session, without secrets. The command line shows the same.
type StatusResult struct {
	SignedIn    bool                     `json:"signedIn"`
	Subject     string                   `json:"subject,omitempty"`
	ExpiresAt   *time.Time               `json:"expiresAt,omitempty"`
	Refreshable bool                     `json:"refreshable"`
	Domain      string                   `json:"domain"`
	Endpoint    string                   `json:"endpoint"`            // llm_base_url
	Endpoints   map[string]string        `json:"endpoints,omitempty"` // base URLs by provider, if there are several endpoints
	AuthMethod  string                   `json:"authMethod"`
	ConfigPath  string                   `json:"configPath"`
	Managed     check.Managed            `json:"managed,omitzero"`
	LogPath     string                   `json:"logPath"`
	Problem     *opencode.ProblemInfo    `json:"problem,omitempty"`
	LastFailure *lastFailure             `json:"lastFailure,omitempty"`
	Version     string                   `json:"version"`
	Sessions    []opencode.SessionStatus `json:"sessions,omitempty"` // those of endpoints with a scope of their own
}

// lastFailure is the problem of the last request of a host that failed, in this process or
// another one. The host may have shown only the fixed sentence of its kind.
type lastFailure struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
}

const (
	requestFailed = "a request to the endpoint failed" // messages of the log, by which findLastFailure finds it
	answered      = "answered with a problem"
	longAgo       = 24 * time.Hour // older failures are not shown
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

// NewStatusResult returns the status of the sessions, or of the error because of which there
// are none.
func NewStatusResult(s *scopes.Sessions, err error, logPath, version string) StatusResult {
	r := StatusResult{LogPath: logPath, LastFailure: findLastFailure(logPath), Version: version}
	if err != nil {
		r.Problem = opencode.NewProblemInfo(problem.From(err))
		return r
	}
	config, status := s.Config(), s.For("").Status()
	r.SignedIn, r.Subject, r.ExpiresAt, r.Refreshable = status.SignedIn, status.Subject, opencode.UTC(status.ExpiresAt), status.Refreshable
	r.Domain, r.Endpoint, r.AuthMethod = config.DomainURL, config.BaseURL, string(config.AuthMethod)
	r.Endpoints, r.Sessions = endpoint.ByProvider(config.Endpoints()), opencode.OtherSessions(s)
	r.ConfigPath, r.Managed, r.Problem = config.Path, config.Managed, opencode.NewProblemInfo(status.Problem)
	return r
}

func (r StatusResult) title() string {
	if !r.SignedIn {
		return "Not signed in"
	}
	title := strings.TrimSuffix("Signed in as "+r.Subject, " as ")
	if r.ExpiresAt != nil {
		title += ", token " + words.Valid(*r.ExpiresAt, time.Now())
	}
	return title
}

// A StatusView is what a person is shown besides a StatusResult. "" leaves a row out.
type StatusView struct {
	Tokens   string // where they are saved
	Clocks   string
	Version  string
	NextStep string // "" shows the hint of the problem with the problem
}

// Text formats the status as a table.
func (r StatusResult) Text(v StatusView) string {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, lines ...string) {
		for line := range strings.Lines(strings.Trim(strings.Join(lines, "\n"), "\n")) {
			fmt.Fprintf(table, "%s\t%s\n", name, strings.TrimSpace(line))
			name = ""
		}
	}
	signedIn := "no"
	if r.SignedIn {
		signedIn = strings.TrimSuffix("yes, as "+r.Subject, ", as ")
	}
	row("Signed in", signedIn)
	if r.ExpiresAt != nil {
		row("Token", words.Valid(*r.ExpiresAt, time.Now())+" (local time)")
	}
	switch {
	case r.SignedIn && r.Refreshable:
		row("Refresh", "by itself")
	case r.SignedIn:
		row("Refresh", "not possible: there is no refresh token")
	}
	for _, other := range r.Sessions {
		row("Endpoint "+other.Endpoints, other.Lines(time.Now())...)
	}
	row("Domain", r.Domain)
	row("Endpoint", endpoint.Lines(r.Endpoint, r.Endpoints)...)
	row("Method", r.AuthMethod)
	row("Configuration", append([]string{r.ConfigPath}, r.Managed.Text(r.ConfigPath)...)...)
	row("Tokens", v.Tokens)
	row("Log", r.LogPath)
	row("Clocks", v.Clocks)
	row("Version", v.Version)
	if p := r.Problem; p != nil && v.NextStep == "" {
		row("Problem", p.Message, p.Hint)
	} else if p != nil {
		row("Problem", p.Message)
	}
	if failed := r.LastFailure; failed != nil {
		row("Last failure", "at "+words.Clock(failed.At, time.Now())+", of a request of OpenCode:", failed.Message, failed.Hint)
	}
	row("Next step", v.NextStep)
	_ = table.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}
