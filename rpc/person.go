package rpc

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
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
		status := s.hostStatus()
		return toolResult{status.Title, status.Text}, nil
	}
	renewed, err := s.renew(ctx)
	if err != nil {
		return toolResult{"A problem with the sign-in", problem.From(err).Error()}, nil
	}
	return toolResult{"Token renewed", renewed + "\nNothing more to do: requests use it from now on."}, nil
}

// renew gets a new token for each session that the person has signed in to, and returns a
// sentence for each. If none could be renewed, its error is that of the first.
func (s *server) renew(ctx context.Context) (string, error) {
	sessions, err := s.open()
	if err != nil {
		return "", err
	}
	var said []string
	var failed error
	renewed := false
	for i, session := range sessions.All() {
		if i > 0 && !session.Status().SignedIn {
			continue
		}
		token, err := session.Refresh(ctx)
		if failed = cmp.Or(failed, err); i > 0 || session.Status().SignedIn {
			said = append(said, opencode.Renewed(session, token, err))
		}
		renewed = renewed || err == nil
	}
	if !renewed {
		return "", failed
	}
	return strings.Join(said, "\n"), nil
}

// command runs a command from the host's palette.
func (s *server) command(ctx context.Context, p nameParams) (any, error) {
	switch p.Name {
	case opencode.StatusCommand:
		return opencode.CommandResult{Alert: &opencode.Alert{Title: opencode.ProviderName, Message: s.hostStatus().Text}}, nil
	case opencode.RefreshCommand:
		renewed, err := s.renew(ctx)
		if err != nil {
			return opencode.CommandResult{Toast: &opencode.Toast{Variant: "error", Message: problem.From(err).Error()}}, nil
		}
		return opencode.CommandResult{Toast: &opencode.Toast{Variant: "success", Message: renewed}}, nil
	case opencode.EndCommand:
		sessions, err := s.open()
		if err != nil {
			return opencode.CommandResult{}, nil
		}
		defer s.tellItem() // another process may have told it
		return opencode.CommandResult{Toast: opencode.TellEnds(sessions)}, nil
	default:
		return opencode.CommandResult{Dispatch: "provider.connect"}, nil
	}
}

// hostStatus returns the status for the host's screens and its models.
func (s *server) hostStatus() hostStatus {
	sessions, err := s.open()
	r := opencode.NewStatus(sessions, err, s.Log.Path(), s.Version)
	s.mu.Lock()
	client := s.client
	s.mu.Unlock()
	next := fmt.Sprintf("run /connect and choose %q", opencode.ProviderName)
	switch {
	case r.Problem != nil:
		next = r.Problem.Hint
	case r.SignedIn && r.Refreshable:
		next = "nothing to do"
	case r.SignedIn:
		next = "sign in again with /connect when the token has expired"
	}
	shown := hostStatus{Status: r, Title: r.Title(), Ended: r.Ended()}
	shown.Text = r.Text(opencode.StatusView{Version: fmt.Sprintf("%s %s, helper %s", client.Name, client.Version, r.Version), NextStep: next})
	if err == nil {
		shown.Item = opencode.ItemFor(sessions, time.Now())
	}
	return shown
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
