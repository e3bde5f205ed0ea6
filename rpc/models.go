package rpc

import (
	"context"
	"reflect"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	modelsAge   = 10 * time.Minute // older ones are asked for behind
	modelsLimit = 30 * time.Second // of asking behind
)

// ModelsPatience is for how long a person who has just signed in is kept waiting for
// the models.
const ModelsPatience = 3 * time.Second

// FetchModels asks the session's endpoint for its models and keeps them on the disk.
// Its error is a [problem.Problem]; models that could not be kept are no error.
func FetchModels(ctx context.Context, session *oidc.Session, places store.Places) (endpoint.Models, error) {
	token, err := session.Token(ctx, "")
	if err != nil {
		return nil, err
	}
	config := session.Config()
	models, err := endpoint.Endpoint{BaseURL: config.BaseURL, Token: token.Access, Network: config.EndpointNetwork()}.Models(ctx)
	if err != nil {
		return nil, err
	}
	_ = tokens.OpenModels(places, config).Save(models, time.Now())
	return models, nil
}

// knownModels are those that the disk has. If they are old, they are asked for
// behind, for the next time.
func (s *server) knownModels(session *oidc.Session) endpoint.Models {
	models, askedAt := tokens.OpenModels(s.Places, session.Config()).Load()
	if age := time.Since(askedAt); age < 0 || age > modelsAge {
		if _, ok, _ := session.Ready(""); ok {
			s.askForModels(session)
		}
	}
	return models
}

// askForModels asks for them once at a time, until the input ends. The channel is
// closed when that is over.
func (s *server) askForModels(session *oidc.Session) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking != nil {
		return s.asking
	}
	over := make(chan struct{})
	if s.ending {
		close(over)
		return over
	}
	s.asking = over
	s.calls.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, modelsLimit)
		defer cancel()
		before, _ := tokens.OpenModels(s.Places, session.Config()).Load()
		models, err := FetchModels(ctx, session, s.Places)
		if err != nil {
			s.Log.Info("the endpoint told no models", "problem", problem.From(err))
		} else {
			s.Log.Info("the endpoint told its models", "models", len(models))
			if !reflect.DeepEqual(models, before) && s.isHost(opencode.Version2) {
				s.notify("configure/changed", noParams{})
			}
		}
		s.mu.Lock()
		s.asking = nil
		s.mu.Unlock()
		close(over)
	})
	return over
}

// awaitModels asks for them unless that was done since, and waits as long as a
// person may be kept waiting.
func (s *server) awaitModels(ctx context.Context, session *oidc.Session, since time.Time) {
	if _, askedAt := tokens.OpenModels(s.Places, session.Config()).Load(); askedAt.After(since) {
		return
	}
	select {
	case <-s.askForModels(session):
	case <-time.After(ModelsPatience):
	case <-ctx.Done():
	}
}
