package rpc

import (
	"context"
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// guard judges a tool call of an agent before it is made.
func (s *server) guard(_ context.Context, p guardParams) (any, error) {
	reason := s.Places.NewGuard(s.directoryOf(p.Directory)).Deny(p.Tool, p.Args)
	if reason != "" {
		s.Log.Warn("an agent's tool call was denied", "tool", p.Tool, "reason", reason)
	}
	return guardResult{reason}, nil
}

// redact takes the known secrets out of what a tool call brought.
func (s *server) redact(_ context.Context, p redactParams) (any, error) {
	redactor := s.knownSecrets(s.directoryOf(p.Directory))
	var result redactResult
	for i, text := range p.Texts {
		clean, changed := redactor.Redact(text)
		if !changed {
			continue
		}
		if result.Texts == nil {
			result.Texts = make([]*string, len(p.Texts))
		}
		result.Texts[i] = &clean
	}
	if result.Texts != nil {
		s.Log.Warn("a secret was taken out of what an agent's tool call brought", "tool", p.Tool)
	}
	return result, nil
}

func (s *server) directoryOf(named string) string {
	if named != "" {
		return named
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.directory
}

// known are the secrets that are looked for.
type known struct {
	latest   []secret.Text // the latest first
	redactor *secret.Redactor
}

// maxKnown is how many secrets are remembered: those that were replaced may still
// stand in a file, and work until they expire.
const maxKnown = 24

// remember notes secrets that are to be looked for.
func (s *server) remember(secrets ...secret.Text) {
	s.knownMu.Lock()
	defer s.knownMu.Unlock()
	for _, one := range secrets {
		if !one.Empty() && !slices.Contains(s.known.latest, one) {
			s.known.latest = slices.Insert(s.known.latest, 0, one)
			s.known.redactor = nil
		}
	}
	s.known.latest = s.known.latest[:min(len(s.known.latest), maxKnown)]
}

// knownSecrets returns the redactor for the secrets as they are now, and for the
// latest of those that they have replaced.
func (s *server) knownSecrets(directory string) *secret.Redactor {
	s.remember(s.Places.Secrets(directory)...)
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session != nil {
		s.remember(session.Secrets()...)
	}
	s.knownMu.Lock()
	defer s.knownMu.Unlock()
	if s.known.redactor == nil {
		s.known.redactor = secret.NewRedactor(s.known.latest)
	}
	return s.known.redactor
}
