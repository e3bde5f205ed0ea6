package rpc

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
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
	session, err := s.open()
	if err != nil {
		s.Log.Warn("no usable configuration", "problem", problem.From(err))
		result.Problem = newProblemInfo(problem.From(err))
		return result, nil
	}
	config := session.Config()
	result.Config = &configInfo{config.Path, config.BaseURL, string(config.AuthMethod)}
	return result, nil
}

// getTokenReady answers a getToken at once if the token is there, which is nearly
// always.
func (s *server) getTokenReady(request *jsonrpc2.Request, params json.RawMessage) bool {
	var p getTokenParams
	if len(params) > 0 && json.Unmarshal(params, &p) != nil {
		return false
	}
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session == nil || request.Notif {
		return false
	}
	token, ok, _ := session.Ready(p.Rejected)
	if ok {
		s.stream.reply(request.ID, s.encodeToken(token))
	}
	return ok
}

// encodeToken encodes each token once.
func (s *server) encodeToken(token oidc.Token) json.RawMessage {
	s.tokenMu.Lock()
	defer s.tokenMu.Unlock()
	if token != s.token || s.tokenJSON == nil {
		s.tokenJSON, _ = json.Marshal(getTokenResult{token.Access.Reveal(), token.Type, *utc(token.ExpiresAt)})
		s.token = token
	}
	return s.tokenJSON
}

func (s *server) getToken(ctx context.Context, p getTokenParams) (any, error) {
	session, err := s.open()
	if err != nil {
		return nil, err
	}
	token, err := session.Token(ctx, p.Rejected)
	if err != nil {
		return nil, err
	}
	return s.encodeToken(token), nil
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
	if err != nil {
		return nil, err
	}
	status, err := session.Connect(ctx, oidc.ConnectOptions{
		Flow:        p.Flow,
		OpenBrowser: p.OpenBrowser == nil || *p.OpenBrowser,
		Prompt: func(p oidc.Prompt) {
			s.notify("connect/prompt", connectPrompt{p.Flow, p.URL, p.UserCode, p.ExpiresAt.UTC().Truncate(time.Second), p.BrowserOpened})
		},
	})
	if err != nil {
		return nil, err
	}
	return connectResult{status.Subject, utc(status.ExpiresAt)}, nil
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

func (s *server) guard(_ context.Context, p guardParams) (any, error) {
	s.mu.Lock()
	directory := s.directory
	s.mu.Unlock()
	if p.Directory != "" {
		directory = p.Directory
	}
	reason := s.Places.NewGuard(directory).Deny(p.Tool, p.Args)
	if reason != "" {
		s.Log.Warn("an agent's tool call was denied", "tool", p.Tool, "reason", reason)
	}
	return guardResult{reason}, nil
}
