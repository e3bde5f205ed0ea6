package rpc

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/qr"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

type noParams struct{}

func (s *server) initialize(_ context.Context, p initializeParams) (any, error) {
	s.Log.Info("conversation begins", "client", p.Client.Name, "clientVersion", p.Client.Version, "directory", p.Directory)
	if p.Directory != "" {
		s.mu.Lock()
		s.directory = p.Directory
		s.mu.Unlock()
	}
	result := initializeResult{Protocol: Protocol, Helper: helperInfo{s.Version, platform()}}
	protected := guard.ProtectedIn(s.Places, s.directoryOf(""))
	result.Protected, result.ReadOnly = append(protected.Trees, protected.Files...), protected.ReadOnly
	session, err := s.open()
	s.told = &told{session}
	if err != nil {
		s.Log.Warn("no usable configuration", "problem", problem.From(err))
		result.Problem = newProblemInfo(problem.From(err))
		if u := config.AsUnconfirmed(err); u != nil {
			result.Confirm = &confirmInfo{u.Digest, u.Config.Path, u.Domain(), u.Endpoint()}
		}
		return result, nil
	}
	config := session.Config()
	result.Config = &configInfo{config.Path, config.BaseURL, string(config.AuthMethod), session.Flows(), config.Network.CAFile, config.Network.CASum, s.knownModels(session)}
	return result, nil
}

// getTokenReady answers a getToken at once if the token is there, which is nearly
// always.
func (s *server) getTokenReady(request *jsonrpc2.Request, params json.RawMessage) bool {
	var p getTokenParams
	if request.Notif || len(params) > 0 && json.Unmarshal(params, &p) != nil {
		return false
	}
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session == nil || !s.told.is(session) {
		return false
	}
	token, ok, _ := session.Ready(p.Rejected)
	if ok {
		s.stream.reply(request.ID, s.encodeToken(session, token))
	}
	return ok
}

// encodeToken encodes each result once: nearly all are the same.
func (s *server) encodeToken(session *oidc.Session, token oidc.Token) json.RawMessage {
	useUntil := session.Lend(token)
	s.tokenMu.Lock()
	defer s.tokenMu.Unlock()
	if token != s.token || useUntil != s.useUntil || s.tokenJSON == nil {
		s.tokenJSON, _ = json.Marshal(getTokenResult{token.Access.Reveal(), token.Type, *utc(token.ExpiresAt), utc(useUntil)})
		if token.Access != s.token.Access {
			s.known.Add(session.Secrets()...)
		}
		s.token, s.useUntil = token, useUntil
	}
	return s.tokenJSON
}

func (s *server) getToken(ctx context.Context, p getTokenParams) (any, error) {
	session, err := s.open()
	if err != nil {
		return nil, err
	}
	if before, _ := ctx.Value(toldKey{}).(*told); !before.is(session) {
		return nil, problem.New(problem.Changed,
			fmt.Sprintf("The configuration has changed: it is %s now, with the endpoint %s.", session.Config().Path, session.Config().BaseURL),
			"Ask again; if that does not help, start OpenCode again.").Passing()
	}
	token, err := session.Token(ctx, p.Rejected)
	if err != nil {
		return nil, err
	}
	return s.encodeToken(session, token), nil
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
	return NewStatusResult(session, err, s.Log.Path(), s.Version), nil
}

func (s *server) connect(ctx context.Context, p connectParams) (any, error) {
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
		Prompt: func(p signin.Prompt) {
			shown := connectPrompt{p.Flow, p.URL, p.UserCode, nil, p.ExpiresAt.UTC().Truncate(time.Second), p.BrowserOpened}
			if p.Flow == signin.Device {
				shown.QR = qr.Lines(cmp.Or(p.CompleteURL, p.URL))
			}
			s.notify("connect/prompt", shown)
		},
	})
	if err != nil {
		return nil, err
	}
	s.awaitModels(ctx, session, began) // OpenCode reads the configuration again when it is told
	return connectResult{status.Subject, utc(status.ExpiresAt)}, nil
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
