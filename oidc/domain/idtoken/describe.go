package idtoken

import (
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
)

// Facts are claims of an access token that is a JWT. They are not verified, but safe
// to show.
type Facts struct {
	Issuer    string
	Audience  []string
	Scope     string
	ExpiresAt time.Time // by the domain's clock
}

// Describe returns the claims of an access token; ok is false if it is not a JWT.
func Describe(access secret.Text) (facts Facts, ok bool) {
	c, err := Parse(access.Reveal())
	if err != nil {
		return Facts{}, false
	}
	facts = Facts{Issuer: lenient.Printable(c.Issuer, 200), Scope: lenient.Printable(c.Scope, 500), ExpiresAt: c.Expiry.Time()}
	for _, one := range c.Audience {
		facts.Audience = append(facts.Audience, lenient.Printable(one, 200))
	}
	return facts, true
}
