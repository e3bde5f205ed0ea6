package rpc

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
)

// configure adds the plugin's provider, models and rules to OpenCode's own configuration.
// What the person wrote there takes precedence.
func (s *server) configure(_ context.Context, p opencode.Own) (any, error) {
	sessions, err := s.open()
	if err != nil {
		s.Log.Warn("no usable configuration", "problem", problem.From(err))
	}
	var endpoints []opencode.Known
	if err == nil {
		for _, e := range sessions.Config().Endpoints() {
			endpoints = append(endpoints, opencode.Known{Endpoint: e, Models: s.knownModels(sessions.For(e.Provider()), e)})
		}
	}
	methods := s.offers(sessions, err)
	if s.isHost(opencode.Version2) {
		return opencode.Complete2(sessions, endpoints, methods), nil
	}
	return opencode.Complete(p, endpoints, methods, s.Places, guard.ProtectedIn(s.Places, s.directoryOf(""))), nil
}

// offers returns the ways to sign in. From then on the host is notified when they change,
// and when the item beside its prompt changes.
func (s *server) offers(sessions *scopes.Sessions, err error) []opencode.SignInMethod {
	methods := opencode.MethodsFor(sessions, err)
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

// offerMethods notifies the host if the ways to sign in, or the configuration to confirm
// first, differ from what the host was last sent.
func (s *server) offerMethods(sessions *scopes.Sessions, err error) {
	methods := opencode.MethodsFor(sessions, err)
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

// itemInterval is how often the item is computed anew; it shows the minutes that are left.
const itemInterval = time.Minute

// watchItem keeps the item in the host up to date until the input ends. It alone sends the
// item, so that of two the newer comes last.
func (s *server) watchItem() {
	ticker := time.NewTicker(itemInterval)
	defer ticker.Stop()
	for {
		s.sendItem()
		select {
		case <-s.itemDue:
		case <-ticker.C:
		case <-s.life.Done():
			return
		}
	}
}

// tellItem has watchItem send the item if it has changed. It does not wait, because the caller
// may be what watchItem waits for: a change that it has noticed itself.
func (s *server) tellItem() {
	select {
	case s.itemDue <- struct{}{}:
	default:
	}
}

// sendItem sends the item to the host if it has changed since it was last sent.
func (s *server) sendItem() {
	var current *opencode.Item
	if sessions := s.lastOpened(); sessions != nil {
		current = opencode.ItemFor(sessions, time.Now())
	}
	encoded, _ := json.Marshal(map[string]any{"item": current})
	if string(s.item) != string(encoded) {
		s.item = encoded
		s.notify("status/changed", s.item)
	}
}
