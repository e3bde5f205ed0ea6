package rpc

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/qr"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
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
	s.unfit = opencode.Unfit(p.Client.Name, p.Client.Version, s.Version, p.Protocol == 0 || p.Protocol == Protocol)
	if s.unfit != nil {
		return nil, s.unfit
	}
	return initializeResult{Protocol, helperInfo{s.Version, runtime.GOOS + "-" + runtime.GOARCH}}, nil
}

// ping lets the shim find out whether this process still answers.
func (s *server) ping(context.Context, noParams) (any, error) { return struct{}{}, nil }

// lacks notes in the log that the host does not have a part of what the plugin uses.
func (s *server) lacks(_ context.Context, p lacksParams) (any, error) {
	s.Log.Warn("OpenCode lacks something that the plugin uses", "what", p.What)
	return struct{}{}, nil
}

// getTokenReady answers a getToken request from memory and returns true, or returns false
// if a file or the domain must be asked. Nearly all requests are answered here.
func (s *server) getTokenReady(request *jsonrpc2.Request, params json.RawMessage) bool {
	var p getTokenParams
	if request.Notif || len(params) > 0 && json.Unmarshal(params, &p) != nil {
		return false
	}
	s.mu.Lock()
	sessions, known := s.sessions, s.endpoints[cmp.Or(p.Provider, config.Provider)].session != nil && s.unfit == nil && s.current && !s.files.Changed()
	s.mu.Unlock()
	if sessions == nil || !known {
		return false
	}
	session := sessions.For(p.Provider)
	token, ok, _ := session.Ready(p.Rejected)
	if !ok {
		return false
	}
	result, err := s.encodeToken(session, p.Provider, token)
	if err == nil {
		s.stream.Reply(request.ID, result)
	}
	return err == nil
}

// A sentToken is the token that was last sent for a provider, with its encoded result.
type sentToken struct {
	token    oidc.Token
	useUntil time.Time
	to       *opencode.EndpointInfo
	result   json.RawMessage
}

// encodeToken lends the token and returns the result of getToken. Nearly all results are
// the same, so the last one is kept encoded.
func (s *server) encodeToken(session *oidc.Session, provider string, token oidc.Token) (json.RawMessage, error) {
	to, err := s.endpointFor(session, provider)
	if err != nil {
		return nil, err
	}
	useUntil := session.Lend(token)
	s.lookWhileLent(useUntil)
	s.sentMu.Lock()
	defer s.sentMu.Unlock()
	last := s.sent[to.Provider]
	if token != last.token || useUntil != last.useUntil || to != last.to || last.result == nil {
		if token.Access != last.token.Access {
			s.known.Add(session.Secrets()...)
		}
		last = sentToken{token, useUntil, to, nil}
		last.result, _ = json.Marshal(getTokenResult{token.Access.Reveal(), token.Type, *opencode.UTC(token.ExpiresAt), opencode.UTC(useUntil), to})
		s.sent[to.Provider] = last
	}
	return last.result, nil
}

// A knownEndpoint is where a session's tokens may be sent.
type knownEndpoint struct {
	session *oidc.Session
	*opencode.EndpointInfo
}

// endpointFor returns where the session's tokens may be sent for a provider. It is worked
// out once for each session.
func (s *server) endpointFor(session *oidc.Session, provider string) (*opencode.EndpointInfo, error) {
	provider = cmp.Or(provider, config.Provider)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.endpoints[provider]; known.session == session {
		return known.EndpointInfo, nil
	}
	to, err := opencode.EndpointFor(session.Config(), provider, s.client.Runtime)
	if err != nil {
		return nil, err
	}
	s.endpoints[provider] = knownEndpoint{session, to}
	return to, nil
}

// forgetEndpoints discards what endpointFor has worked out, and makes the shim give its
// lease back, so that the next getToken works it out again.
func (s *server) forgetEndpoints(session *oidc.Session) {
	s.mu.Lock()
	clear(s.endpoints)
	s.mu.Unlock()
	s.sessionChanged(session, session.Status())
}

func (s *server) getToken(ctx context.Context, p getTokenParams) (any, error) {
	session, err := s.openFor(p.Provider)
	if err != nil {
		return nil, err
	}
	if _, err := s.endpointFor(session, p.Provider); err != nil {
		return nil, err
	}
	token, err := session.Token(ctx, p.Rejected)
	if err != nil {
		return nil, s.forRequest(session, err)
	}
	return s.encodeToken(session, p.Provider, token)
}

func (s *server) refresh(ctx context.Context, _ noParams) (any, error) {
	session, err := s.openFor("")
	if err != nil {
		return nil, err
	}
	token, err := session.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	return refreshResult{*opencode.UTC(token.ExpiresAt)}, nil
}

func (s *server) status(context.Context, noParams) (any, error) {
	return s.hostStatus(), nil
}

// hostStatus is the status with the texts that a host shows.
type hostStatus struct {
	opencode.Status
	Title string         `json:"title"`
	Ended string         `json:"ended,omitempty"`
	Text  string         `json:"text"`
	Item  *opencode.Item `json:"item,omitempty"`
}

func (s *server) connect(ctx context.Context, p connectParams) (any, error) {
	if p.Confirm == opencode.NotConfirmed {
		return nil, problem.New(problem.Untrusted, "The project's configuration was not confirmed: nothing was sent to anybody.",
			"If you do not know why it is there, remove it.")
	}
	sessions, err := s.open()
	if u := config.AsUnconfirmed(err); u != nil && p.Confirm != "" {
		sessions, err = s.confirm(u, p.Confirm)
	}
	if err != nil {
		return nil, err
	}
	if _, ok := sessions.Config().Endpoint(p.Provider); !ok {
		return nil, opencode.NoEndpoint(sessions.Config(), p.Provider)
	}
	began, session := time.Now(), sessions.Begin(p.Provider)
	status, err := session.Connect(ctx, oidc.ConnectOptions{
		Flow:        p.Flow,
		OpenBrowser: p.OpenBrowser == nil || *p.OpenBrowser,
		InMemory:    true, // this process keeps running, so the tokens may live in memory only
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
	s.awaitModels(ctx, session, began) // OpenCode asks for its configuration again after this answer
	return connectResult{"You are signed in.", status.Subject, opencode.UTC(status.ExpiresAt)}, nil
}

// confirm records that the person trusts the project's configuration. The digest is that
// of what they were shown; a configuration that has changed since is refused.
func (s *server) confirm(u *config.Unconfirmed, digest string) (*scopes.Sessions, error) {
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
	sessions, err := s.opened()
	if err != nil {
		return nil, err
	}
	return struct{}{}, sessions.Waiting().Answer(ctx, p.Redirect)
}

// disconnect ends all sessions: for the host they are accounts of one provider, of which the
// person has removed the last.
func (s *server) disconnect(ctx context.Context, _ noParams) (any, error) {
	sessions, err := s.open()
	if err != nil {
		return nil, err
	}
	for _, session := range sessions.All() {
		_, failed := session.Disconnect(ctx)
		err = cmp.Or(err, failed) // the other sessions end all the same
	}
	return struct{}{}, err
}
