// These are the JSON-RPC methods for the token, the status and the sign-in. The ways to
// sign in that OpenCode lists, and their labels, are in rpc/opencode/methods.go.

package rpc

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/qr"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

type noParams struct{}

func (s *server) initialize(_ context.Context, p initializeParams) (any, error) {
	s.Log.Info("conversation begins", "client", p.Client.Name, "clientVersion", p.Client.Version, "host", p.Client.Host, "runtime", p.Client.Runtime, "directory", p.Directory)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Directory != "" {
		s.directory = p.Directory
	}
	s.client = p.Client
	s.unfit = unfit(p, s.Version)
	if s.unfit != nil {
		return nil, s.unfit
	}
	return initializeResult{Protocol, helperInfo{s.Version, platform()}}, nil
}

// release is a release's version. What is built in a clone is named otherwise, and may be
// mixed.
var release = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^v?(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)$`) })

// unfit is the problem of a shim that is not of this helper's version, or nil.
func unfit(p initializeParams, version string) *problem.Problem {
	ours, theirs := release().FindStringSubmatch(version), release().FindStringSubmatch(p.Client.Version)
	if (p.Protocol == 0 || p.Protocol == Protocol) && (ours == nil || theirs == nil || ours[1] == theirs[1]) {
		return nil
	}
	hint := "Install the plugin again."
	if os.Getenv("OCI_OIDC_HELPER") != "" {
		hint = "Unset OCI_OIDC_HELPER, to use the helper that comes with the plugin."
	}
	return problem.New(problem.Config,
		fmt.Sprintf("oci-oidc-helper %s does not fit %s %s: both parts must be of one version.", version, p.Client.Name, p.Client.Version), hint)
}

// ping is a sign of life.
func (s *server) ping(context.Context, noParams) (any, error) { return struct{}{}, nil }

// getTokenReady answers a getToken at once if the token is there, which is nearly
// always.
func (s *server) getTokenReady(request *jsonrpc2.Request, params json.RawMessage) bool {
	var p getTokenParams
	if request.Notif || len(params) > 0 && json.Unmarshal(params, &p) != nil {
		return false
	}
	s.mu.Lock()
	session, known := s.session, s.endpoint != nil && s.unfit == nil && s.current && !s.files.Changed()
	s.mu.Unlock()
	if session == nil || !known {
		return false
	}
	token, ok, _ := session.Ready(p.Rejected)
	if !ok {
		return false
	}
	result, err := s.encodeToken(session, token)
	if err == nil {
		s.stream.Reply(request.ID, result)
	}
	return err == nil
}

// encodeToken encodes each result once: nearly all are the same.
func (s *server) encodeToken(session *oidc.Session, token oidc.Token) (json.RawMessage, error) {
	to, err := s.endpointOf(session)
	if err != nil {
		return nil, err
	}
	useUntil := session.Lend(token)
	s.lookWhileLent(useUntil)
	s.tokenMu.Lock()
	defer s.tokenMu.Unlock()
	if token != s.token || useUntil != s.useUntil || to != s.tokenTo || s.tokenJSON == nil {
		s.tokenJSON, _ = json.Marshal(getTokenResult{token.Access.Reveal(), token.Type, *utc(token.ExpiresAt), utc(useUntil), to})
		if token.Access != s.token.Access {
			s.known.Add(session.Secrets()...)
		}
		s.token, s.useUntil, s.tokenTo = token, useUntil, to
	}
	return s.tokenJSON, nil
}

// endpointOf is where the session's tokens may go. It is found out once a session.
func (s *server) endpointOf(session *oidc.Session) (*opencode.EndpointInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endpoint != nil && s.endpointSession == session {
		return s.endpoint, nil
	}
	to, err := opencode.EndpointFor(session.Config(), s.client.Runtime)
	if err == nil {
		s.endpoint, s.endpointSession = to, session
	}
	return to, err
}

// forgetEndpoint has it found out anew, and what was lent given back.
func (s *server) forgetEndpoint(session *oidc.Session) {
	s.mu.Lock()
	s.endpoint = nil
	s.mu.Unlock()
	s.sessionChanged(session.Status())
}

func (s *server) getToken(ctx context.Context, p getTokenParams) (any, error) {
	session, err := s.open()
	if err != nil {
		return nil, err
	}
	if _, err := s.endpointOf(session); err != nil {
		return nil, err
	}
	token, err := session.Token(ctx, p.Rejected)
	if err != nil {
		return nil, s.forRequest(err)
	}
	return s.encodeToken(session, token)
}

func (s *server) refresh(ctx context.Context, _ noParams) (any, error) {
	session, err := s.open()
	if err != nil {
		return nil, err
	}
	token, err := session.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	return refreshResult{*utc(token.ExpiresAt)}, nil
}

func (s *server) status(context.Context, noParams) (any, error) {
	session, err := s.open()
	status := NewStatusResult(session, err, s.Log.Path(), s.Version)
	shown := hostStatus{StatusResult: status, Title: s.statusTitle(status), Text: s.statusText(status)}
	if err == nil {
		shown.Item = opencode.ItemFor(session.Status(), time.Now())
	}
	return shown, nil
}

// hostStatus is the status as a host shows it.
type hostStatus struct {
	StatusResult
	Title string         `json:"title"`
	Text  string         `json:"text"`
	Item  *opencode.Item `json:"item,omitempty"`
}

func (s *server) connect(ctx context.Context, p connectParams) (any, error) {
	if p.Confirm == opencode.NotConfirmed {
		return nil, problem.New(problem.Untrusted, "The project's configuration was not confirmed: nothing was sent to anybody.",
			"If you do not know why it is there, remove it.")
	}
	session, err := s.open()
	if u := config.AsUnconfirmed(err); u != nil && p.Confirm != "" {
		session, err = s.confirm(u, p.Confirm)
	}
	if err != nil {
		return nil, err
	}
	began := time.Now()
	status, err := session.Connect(ctx, oidc.ConnectOptions{
		Flow:        p.Flow,
		OpenBrowser: p.OpenBrowser == nil || *p.OpenBrowser,
		InMemory:    true, // this process stays
		Prompt: func(shown signin.Prompt) {
			var drawn []string
			if shown.Flow == signin.Device {
				drawn = qr.Lines(cmp.Or(shown.CompleteURL, shown.URL))
			}
			s.notify("connect/prompt", connectPrompt{
				Attempt: p.Attempt, Flow: shown.Flow, URL: shown.URL, Text: opencode.Instructions(shown, drawn, p.View, time.Now()),
				Paste: shown.Flow == signin.Paste, UserCode: shown.UserCode,
				ExpiresAt: shown.ExpiresAt.UTC().Truncate(time.Second), BrowserOpened: shown.BrowserOpened,
			})
		},
	})
	if err != nil {
		return nil, err
	}
	s.awaitModels(ctx, session, began) // OpenCode reads the configuration again when it is told
	return connectResult{"You are signed in.", status.Subject, utc(status.ExpiresAt)}, nil
}

// confirm takes a person's yes to what they were shown, and to nothing else.
func (s *server) confirm(u *config.Unconfirmed, digest string) (*oidc.Session, error) {
	if u.Digest != digest {
		return nil, problem.New(problem.Untrusted,
			fmt.Sprintf("The configuration %s has changed since you were asked: it signs in at %s and sends the token to %s now.", u.Config.Path, u.Domain(), u.Endpoint()),
			"Start OpenCode again, to be asked again.")
	}
	if err := config.Confirm(s.Places, u); err != nil {
		return nil, err
	}
	s.Log.Info("the person has confirmed the project's configuration", "path", u.Config.Path, "domain", u.Domain(), "endpoint", u.Endpoint())
	return s.open()
}

func (s *server) answer(ctx context.Context, p answerParams) (any, error) {
	session, err := s.opened()
	if err != nil {
		return nil, err
	}
	return struct{}{}, session.Answer(ctx, p.Redirect)
}

func (s *server) disconnect(ctx context.Context, _ noParams) (any, error) {
	session, err := s.open()
	if err != nil {
		return nil, err
	}
	revoked, err := session.Disconnect(ctx)
	if err != nil {
		return nil, err
	}
	return disconnectResult{revoked}, nil
}
