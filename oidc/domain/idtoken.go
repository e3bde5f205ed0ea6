package domain

import (
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
)

// checkIDToken checks the ID token of a token response and returns the person who signed
// in. nonce is "" for the device flow: its ID token has no nonce, and it need not have an
// ID token at all.
func (d *Domain) checkIDToken(a answer, issuer, nonce string) (subject string, err error) {
	expected := idtoken.Expected{
		ClientID: d.config.ClientID, Issuer: issuer, Nonce: nonce,
		Required: nonce != "" && slices.Contains(strings.Fields(d.config.Scope), "openid"),
		Now:      time.Now().Add(d.ClockSkew()),
	}
	return expected.Check(a.ID, a.Access)
}
