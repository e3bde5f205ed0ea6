package oidc

import (
	"context"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// renew gets new tokens without a person.
func (s *Session) renew(old tokens.Tokens) (tokens.Tokens, domain.Outcome, error) {
	if s.config.AuthMethod.Unattended() {
		return s.domain.ClientCredentials(context.Background())
	}
	return s.domain.Refresh(context.Background(), old)
}

// renewable reports whether new tokens can be had without a person. s.mu is held.
func (s *Session) renewable() bool {
	return s.config.AuthMethod.Unattended() || !s.held.Refresh.Empty()
}
