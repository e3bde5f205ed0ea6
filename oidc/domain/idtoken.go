package domain

import (
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
)

// checkIDToken checks the ID token of an answer and returns who signed in. nonce is "" for
// the device flow, whose answer has none, and which may bring no ID token at all.
func (d *Domain) checkIDToken(a answer, issuer, nonce string) (subject string, err error) {
	expected := idtoken.Expected{
		ClientID: d.config.ClientID, Issuer: issuer, Nonce: nonce,
		Required: nonce != "" && slices.Contains(strings.Fields(d.config.Scope), "openid"),
		Now:      time.Now().Add(d.ClockSkew()),
	}
	return expected.Check(a.ID, a.Access)
}

// checkAge checks that the person was asked for their password no longer than
// max_age before the sign-in began.
func (d *Domain) checkAge(a answer, asked time.Time) error {
	if d.config.MaxAge == nil {
		return nil
	}
	const clocksApart = 10 * time.Second
	return idtoken.CheckAge(a.ID, asked.Add(d.ClockSkew()).Add(-time.Duration(*d.config.MaxAge)*time.Second-clocksApart))
}
