package rpc

import (
	"context"
	"reflect"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
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
func (s *server) knownModels(session *oidc.Session, e config.Endpoint) endpoint.Models {
	models, askedAt := tokens.OpenModels(s.Places, session.Config(), e).Load()
	if age := time.Since(askedAt); age < 0 || age > modelsAge {
		if _, ok, _ := session.Ready(""); ok {
			s.askForModels(session, e)
		}
	}
	return models
}

// askForModels asks for them once at a time, until the input ends. The channel is
// closed when that is over.
func (s *server) askForModels(session *oidc.Session, e config.Endpoint) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if asking := s.asking[e.Provider()]; asking != nil {
		return asking
	}
	over := make(chan struct{})
	if s.ending {
		close(over)
		return over
	}
	s.asking[e.Provider()] = over
	s.calls.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, modelsLimit)
		defer cancel()
		kept := tokens.OpenModels(s.Places, session.Config(), e)
		before, _ := kept.Load()
		models, err := session.FetchModels(ctx, e, kept)
		if err != nil {
			s.Log.Info("the endpoint told no models", "provider", e.Provider(), "problem", problem.From(err))
		} else {
			s.Log.Info("the endpoint told its models", "provider", e.Provider(), "models", len(models))
			if !reflect.DeepEqual(models, before) && s.isHost(opencode.Version2) {
				s.notify("configure/changed", noParams{})
			}
		}
		s.mu.Lock()
		delete(s.asking, e.Provider())
		s.mu.Unlock()
		close(over)
	})
	return over
}

// awaitModels asks for those of each endpoint unless that was done since, and waits as
// long as a person may be kept waiting.
func (s *server) awaitModels(ctx context.Context, session *oidc.Session, since time.Time) {
	var asked []<-chan struct{}
	for _, e := range session.Config().Endpoints() {
		if _, askedAt := tokens.OpenModels(s.Places, session.Config(), e).Load(); !askedAt.After(since) {
			asked = append(asked, s.askForModels(session, e))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, modelsPatience)
	defer cancel()
	for _, over := range asked {
		select {
		case <-over:
		case <-ctx.Done():
		}
	}
}
