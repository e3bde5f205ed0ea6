package rpc

import (
	"context"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
)

// guard decides about an agent's tool call before it runs (OpenCode 1), or about a
// permission before it is granted (OpenCode 2).
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

// redact removes the known secrets from the result of a tool call. The shim sends the
// texts in the result, and replaces those that come back changed.
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

// knowSecrets gives the redactor the current secrets. It still knows the most recent ones
// among those that they have replaced.
func (s *server) knowSecrets(directory string) {
	current := guard.Secrets(s.Places, directory)
	if sessions := s.lastOpened(); sessions != nil {
		for _, session := range sessions.All() {
			current = append(current, session.Secrets()...)
		}
	}
	s.known.SetCurrent(current...)
}
