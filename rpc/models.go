package rpc

import (
	"context"
	"reflect"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	modelsAge   = 10 * time.Minute // older lists are refreshed in the background
	modelsLimit = 30 * time.Second // for a refresh in the background
)

// modelsPatience is for how long a person who has just signed in is kept waiting for
// the models.
const modelsPatience = 3 * time.Second

// knownModels returns the models on the disk. An old list is refreshed in the background,
// for the next time.
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
		models, err := session.FetchModels(ctx, tokens.OpenModels(s.Places, session.Config()))
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
	case <-time.After(modelsPatience):
	case <-ctx.Done():
	}
}
