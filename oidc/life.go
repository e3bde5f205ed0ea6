package oidc

import (
	"context"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// TokenFor is [Session.Token] for a caller that hands the token to another program,
// which keeps it: it waits for a refresh where less than life is left of the token, or
// less than half of its own lifetime if that is shorter.
//
// A token that is valid is returned in any case. Where it is not to be had with that
// much life, the error beside it says why.
func (s *Session) TokenFor(ctx context.Context, life time.Duration) (Token, error) {
	token, err := s.Token(ctx, "")
	if err != nil {
		return token, err
	}
	now := s.cache.get()
	token = now.token()
	switch wanted := min(life, now.ExpiresAt.Sub(now.IssuedAt)/2); {
	case time.Until(token.ExpiresAt) >= wanted:
		return token, nil
	case !s.renewable(now):
		return token, problem.New(problem.LoginRequired, "There is no refresh token to get another one.", RefreshSwitches)
	case !now.RefreshSentAt.IsZero(): // not risked while the access token lives
		return token, problem.New(problem.Network, "An earlier refresh had no answer, and is tried again when the token has expired.",
			"Check the way to the domain: oci-oidc-helper doctor").Passing()
	}
	if err := s.refreshNow(ctx, now.fingerprint); err != nil {
		return token, err
	}
	if fresh, _, _ := s.replaced(""); !fresh.Access.Empty() {
		token = fresh
	}
	return token, nil
}
