package rpc

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
)

type nameParams struct {
	Name string `json:"name"`
}

type toolResult struct {
	Title  string `json:"title"`
	Output string `json:"output"`
}

// tool runs one of the plugin's tools for a model. A problem is returned as the tool's
// output, for the model to read.
func (s *server) tool(ctx context.Context, p nameParams) (any, error) {
	if p.Name == opencode.StatusTool {
		sessions, err := s.open()
		status := NewStatusResult(sessions, err, s.Log.Path(), s.Version)
		return toolResult{s.statusTitle(status), s.statusText(status)}, nil
	}
	renewed, err := s.renew(ctx)
	if err != nil {
		return toolResult{"A problem with the sign-in", problem.From(err).Error()}, nil
	}
	return toolResult{"Token renewed", renewed + "\nNothing more to do: requests use it from now on."}, nil
}

// renew gets a new token for each session that the person has signed in to, and returns a
// sentence for each.
func (s *server) renew(ctx context.Context) (string, error) {
	sessions, err := s.open()
	if err != nil {
		return "", err
	}
	var said []string
	for i, session := range sessions.All() {
		if i > 0 && !session.Status().SignedIn {
			continue
		}
		token, err := session.Refresh(ctx)
		if err != nil && i == 0 {
			return "", err
		}
		said = append(said, opencode.Renewed(session, token, err))
	}
	return strings.Join(said, "\n"), nil
}

// command runs a command from the host's palette.
func (s *server) command(ctx context.Context, p nameParams) (any, error) {
	switch p.Name {
	case opencode.StatusCommand:
		sessions, err := s.open()
		return opencode.CommandResult{Alert: &opencode.Alert{Title: opencode.ProviderName, Message: s.statusText(NewStatusResult(sessions, err, s.Log.Path(), s.Version))}}, nil
	case opencode.RefreshCommand:
		renewed, err := s.renew(ctx)
		if err != nil {
			return opencode.CommandResult{Toast: &opencode.Toast{Variant: "error", Message: problem.From(err).Error()}}, nil
		}
		return opencode.CommandResult{Toast: &opencode.Toast{Variant: "success", Message: renewed}}, nil
	default:
		return opencode.CommandResult{Dispatch: "provider.connect"}, nil
	}
}

func (s *server) statusTitle(r StatusResult) string {
	switch {
	case !r.SignedIn:
		return "Not signed in"
	case r.ExpiresAt == nil:
		return strings.TrimSuffix("Signed in as "+r.Subject, " as ")
	default:
		return fmt.Sprintf("Signed in as %s, token %s", r.Subject, words.Valid(*r.ExpiresAt, time.Now()))
	}
}

// statusText formats the status as a table.
func (s *server) statusText(r StatusResult) string {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		for i, line := range strings.Split(value, "\n") {
			if value == "" {
				return
			}
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(table, "%s\t%s\n", name, line)
		}
	}
	signedIn, token, refresh, next := "no", "", "", fmt.Sprintf("run /connect and choose %q", opencode.ProviderName)
	if r.SignedIn {
		signedIn = strings.TrimSuffix("yes, as "+r.Subject, ", as ")
		refresh, next = "by itself", "nothing to do"
		if !r.Refreshable {
			refresh, next = "not possible: there is no refresh token", "sign in again with /connect when the token has expired"
		}
	}
	if r.ExpiresAt != nil {
		token = words.Valid(*r.ExpiresAt, time.Now()) + " (local time)"
	}
	s.mu.Lock()
	client := s.client
	s.mu.Unlock()
	row("Signed in", signedIn)
	row("Token", token)
	row("Refresh", refresh)
	for _, other := range r.Sessions {
		row("Endpoint "+other.Endpoints, strings.Join(other.Lines(time.Now()), "\n"))
	}
	row("Domain", r.Domain)
	row("Endpoint", strings.Join(endpoint.Lines(r.Endpoint, r.Endpoints), "\n"))
	row("Method", r.AuthMethod)
	row("Configuration", r.ConfigPath)
	row("", strings.Join(r.Managed.Text(r.ConfigPath), "\n"))
	row("Log", r.LogPath)
	row("Versions", fmt.Sprintf("%s %s, helper %s", client.Name, client.Version, r.Version))
	if r.Problem != nil {
		row("Problem", r.Problem.Message)
		next = r.Problem.Hint
	}
	if failed := r.LastFailure; failed != nil {
		row("Last failure", "at "+words.Clock(failed.At, time.Now())+", of a request of OpenCode:\n"+strings.TrimSpace(failed.Message+"\n"+failed.Hint))
	}
	row("Next step", next)
	_ = table.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// forRequest returns the problem with which a request of OpenCode fails. If a sign-in is
// needed, it says how to sign in from this version of OpenCode.
func (s *server) forRequest(session *oidc.Session, err error) *problem.Problem {
	p := problem.From(err)
	if p.Kind != problem.LoginRequired {
		return p
	}
	return opencode.NotSignedIn(session.Config(), s.isHost(opencode.Version2)).Because(err)
}
