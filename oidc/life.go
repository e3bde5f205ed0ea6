package oidc

import (
	"context"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// TokenFor is [Session.Token] for a caller that gives the token to a program which keeps
// it. It waits for a refresh if the token expires in less than life, or in less than half
// of the token's own lifetime if that is shorter.
//
// TokenFor can return both a valid token and an error: the error says why the token
// expires sooner than asked for.
func (s *Session) TokenFor(ctx context.Context, life time.Duration) (Token, error) {
	token, err := s.Token(ctx, "")
	if err != nil {
		return token, err
	}
	current := s.cache.get()
	token = current.token()
	switch wanted := min(life, current.ExpiresAt.Sub(current.IssuedAt)/2); {
	case time.Until(token.ExpiresAt) >= wanted:
		return token, nil
	case !s.refreshable(current):
		return token, problem.New(problem.LoginRequired, "There is no refresh token to get another one.", RefreshSwitches)
	case !current.RefreshSentAt.IsZero(): // the refresh token may be used up: see due
		return token, problem.New(problem.Network, "An earlier refresh had no usable answer, and is tried again when the token has expired.",
			"Check the way to the domain: oci-oidc-helper doctor").Passing()
	}
	if err := s.refreshNow(ctx, current.fingerprint); err != nil {
		return token, err
	}
	if fresh, _, _ := s.afterRefresh(""); !fresh.Access.Empty() {
		token = fresh
	}
	return token, nil
}
