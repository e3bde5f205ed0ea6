// Package scopes keeps the sessions of a configuration apart: one for each scope that it
// names. The token of each goes to the session's own endpoints and no others.
package scopes

import (
	"log/slog"
	"sync"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// Sessions are the sessions of a configuration, nearly always one alone. Each has a scope of
// its own, and [oidc.Session.Config] names its endpoints. One that ends leaves the others
// as they are.
type Sessions struct {
	config config.Config
	all    []*oidc.Session // that of llm_base_url first
}

// Open returns the sessions of a configuration. Its error is that of [oidc.NewSession].
func Open(c config.Config, places store.Places, log *slog.Logger) (*Sessions, error) {
	s := &Sessions{config: c}
	for _, one := range c.Sessions() {
		session, err := oidc.NewSession(one, places, log)
		if err != nil {
			return nil, err
		}
		s.all = append(s.all, session)
	}
	return s, nil
}

// Config returns the whole configuration.
func (s *Sessions) Config() config.Config { return s.config }

// All returns the sessions, that of llm_base_url first.
func (s *Sessions) All() []*oidc.Session { return s.all }

// For returns the session whose token goes to a provider's endpoint, else that of
// llm_base_url, which has no such endpoint.
func (s *Sessions) For(provider string) *oidc.Session {
	for _, session := range s.all[1:] {
		if _, ok := session.Config().Endpoint(provider); ok {
			return session
		}
	}
	return s.all[0]
}

// Begin stops the sign-ins of the other sessions, which use the same port, and returns the
// session of the provider.
func (s *Sessions) Begin(provider string) *oidc.Session {
	session := s.For(provider)
	for _, other := range s.all {
		if other != session {
			other.StopSignIn()
		}
	}
	return session
}

// Waiting returns the session whose sign-in waits for a pasted address, else the first.
func (s *Sessions) Waiting() *oidc.Session {
	for _, session := range s.all {
		if session.TakesPaste() {
			return session
		}
	}
	return s.all[0]
}

// Close closes all sessions, see [oidc.Session.Close].
func (s *Sessions) Close() {
	var closing sync.WaitGroup
	for _, session := range s.all {
		closing.Go(session.Close)
	}
	closing.Wait()
}
