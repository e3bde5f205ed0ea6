package domain

import (
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	// defaultLifetime is assumed of an access token that says nothing of its own.
	defaultLifetime = 5 * time.Minute
	// maxTokenSize is the longest token that is taken, in bytes. One that is used
	// goes into a header of a request, and most servers take 8 KiB of them.
	maxTokenSize = 64 << 10
)

// received turns a token answer (RFC 6749, 5.1) into tokens: the expiry counts
// from now, because the domain's clock may differ from ours.
func (d *Domain) received(answer *oauth2.Token, endpoints tokens.Endpoints) (tokens.Tokens, error) {
	switch {
	case !strings.EqualFold(answer.Type(), "Bearer"):
		return tokens.Tokens{}, unusable("its type is " + Printable(answer.Type(), 40) + ", not Bearer")
	case !tokenText(answer.AccessToken), answer.RefreshToken != "" && !tokenText(answer.RefreshToken):
		return tokens.Tokens{}, unusable("it is too long, or has characters that no token has")
	}
	now := time.Now().Round(0) // the wall clock alone: a monotonic one stands still in sleep
	lifetime := time.Duration(answer.ExpiresIn) * time.Second
	if lifetime <= 0 {
		lifetime = defaultLifetime
	}
	tokens := tokens.Tokens{
		Access:    secret.New(answer.AccessToken),
		Type:      answer.Type(),
		Refresh:   secret.New(answer.RefreshToken),
		IssuedAt:  now,
		ExpiresAt: now.Add(lifetime),
		Endpoints: endpoints,
	}
	if claims, err := parseClaims(answer.AccessToken); err == nil {
		tokens.Subject = claims.person()
	}
	return tokens, nil
}

// tokenText reports whether text can be a token: visible ASCII (RFC 6749, A.12
// and A.17), so that nothing in it ends a header (RFC 6750, 2.1).
func tokenText(text string) bool {
	return text != "" && len(text) <= maxTokenSize && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func unusable(why string) *problem.Problem {
	return problem.New(problem.Domain, "The domain's token cannot be used: "+why+".",
		"Check domain_url; if it is right, ask your administrator.")
}
