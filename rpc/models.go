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
	modelsAge      = 10 * time.Minute // older lists are refreshed in the background
	modelsLimit    = 30 * time.Second // the limit of such a refresh
	modelsPatience = 3 * time.Second  // how long a person who has just signed in waits for the models
)

// knownModels returns the saved list of models. An old list is refreshed in the background,
// for the next call.
func (s *server) knownModels(session *oidc.Session, e config.Endpoint) endpoint.Models {
	models, askedAt := tokens.OpenModels(s.Places, session.Config(), e).Load()
	if age := time.Since(askedAt); age < 0 || age > modelsAge {
		if _, ok, _ := session.Ready(""); ok {
			s.askForModels(session, e)
		}
	}
	return models
}

// askForModels gets the endpoint's list of models in the background, unless a request for
// it is already running, and closes the channel when it is done. The end of the input
// cancels it.
func (s *server) askForModels(session *oidc.Session, e config.Endpoint) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if asking := s.asking[e.Provider()]; asking != nil {
		return asking
	}
	done := make(chan struct{})
	if s.ending {
		close(done)
		return done
	}
	s.asking[e.Provider()] = done
	s.calls.Go(func() {
		ctx, cancel := context.WithTimeout(s.life, modelsLimit)
		defer cancel()
		saved := tokens.OpenModels(s.Places, session.Config(), e)
		before, _ := saved.Load()
		models, err := opencode.FetchModels(ctx, session, e, saved)
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
		close(done)
	})
	return done
}

// awaitModels gets the models of each endpoint whose list is older than since. It waits for
// at most modelsPatience until they are there and OpenCode has been notified of them.
func (s *server) awaitModels(ctx context.Context, session *oidc.Session, since time.Time) {
	var asked []<-chan struct{}
	for _, e := range session.Config().Endpoints() {
		_, askedAt := tokens.OpenModels(s.Places, session.Config(), e).Load()
		s.mu.Lock()
		asking := s.asking[e.Provider()] // even if the list is saved already: the notification comes after that
		s.mu.Unlock()
		if asking != nil {
			asked = append(asked, asking)
		} else if !askedAt.After(since) {
			asked = append(asked, s.askForModels(session, e))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, modelsPatience)
	defer cancel()
	for _, done := range asked {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
}
