package rpc

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
)

// configure completes the configuration of OpenCode. What the person wrote wins.
func (s *server) configure(_ context.Context, p opencode.Own) (any, error) {
	session, err := s.open()
	if err != nil {
		s.Log.Warn("no usable configuration", "problem", problem.From(err))
	}
	var endpoints []opencode.Known
	if session != nil && err == nil {
		for _, e := range session.Config().Endpoints() {
			endpoints = append(endpoints, opencode.Known{Endpoint: e, Models: s.knownModels(session, e)})
		}
	}
	methods := s.offers(session, err)
	if s.isHost(opencode.Version2) {
		return opencode.Complete2(session, endpoints, methods), nil
	}
	return opencode.Complete(p, endpoints, methods, s.Places, guard.ProtectedIn(s.Places, s.directoryOf(""))), nil
}

// offers are the ways to sign in. From now on the host is told when they change, and the
// item beside the prompt.
func (s *server) offers(session *oidc.Session, err error) []opencode.SignInMethod {
	methods := opencode.MethodsFor(session, err)
	offered, _ := json.Marshal(methods)
	s.mu.Lock()
	s.offered = offered
	watching := s.watching
	s.watching = true
	s.mu.Unlock()
	if !watching {
		s.calls.Go(s.watchItem)
	}
	return methods
}

func (s *server) isHost(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client.Host == name
}

// offerMethods tells the host the ways to sign in where they are no longer those that it
// was told, or something else must be confirmed first.
func (s *server) offerMethods(session *oidc.Session, err error) {
	methods := opencode.MethodsFor(session, err)
	offered, _ := json.Marshal(methods)
	s.mu.Lock()
	changed := s.offered != nil && string(s.offered) != string(offered)
	if changed {
		s.offered = offered
	}
	s.mu.Unlock()
	if changed {
		s.notify("connect/methods", map[string]any{"methods": methods})
	}
}

// itemInterval is how often the item is looked at: it counts minutes.
const itemInterval = time.Minute

// watchItem tells the host the item whenever it changes.
func (s *server) watchItem() {
	ticker := time.NewTicker(itemInterval)
	defer ticker.Stop()
	for {
		s.tellItem()
		select {
		case <-ticker.C:
		case <-s.life.Done():
			return
		}
	}
}

// tellItem tells the host the item if it is not the one that it was told last.
func (s *server) tellItem() {
	s.mu.Lock()
	session, watching := s.session, s.watching
	s.mu.Unlock()
	if !watching {
		return
	}
	var current *opencode.Item
	if session != nil {
		current = opencode.ItemFor(session.Status(), time.Now())
	}
	told, _ := json.Marshal(map[string]any{"item": current})
	s.mu.Lock()
	changed := string(s.item) != string(told)
	s.item = told
	s.mu.Unlock()
	if changed {
		s.notify("status/changed", json.RawMessage(told))
	}
}
