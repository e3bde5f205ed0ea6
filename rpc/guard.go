package rpc

import (
	"context"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
)

// guard judges a tool call of an agent before it is made, or a permission before it is
// given.
func (s *server) guard(_ context.Context, p guardParams) (any, error) {
	g := guard.New(s.Places, s.directoryOf(p.Directory))
	reason := ""
	if p.Permission != "" {
		reason = g.DenyPermission(p.Permission, p.Resources)
	} else {
		reason = g.Deny(p.Tool, p.Args)
	}
	if reason != "" {
		s.Log.Warn("an agent's tool call was denied", "tool", p.Tool, "permission", p.Permission, "reason", reason)
	}
	return guardResult{reason}, nil
}

// redact takes the known secrets out of what a tool call brought. The redactor of
// internal/secret finds them; the shim puts the clean texts back into the result.
func (s *server) redact(_ context.Context, p redactParams) (any, error) {
	s.knowSecrets(s.directoryOf(p.Directory))
	var result redactResult
	for i, text := range p.Texts {
		clean, changed := s.known.Redact(text)
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

// knowSecrets makes known the secrets as they are now; the latest of those that they
// have replaced are known already.
func (s *server) knowSecrets(directory string) {
	current := guard.Secrets(s.Places, directory)
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session != nil {
		current = append(current, session.Secrets()...)
	}
	s.known.SetCurrent(current...)
}
