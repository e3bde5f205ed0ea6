package domain

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/application"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// discoverClient returns the domain's metadata, and the client for its endpoints.
func (d *Domain) discoverClient(ctx context.Context) (*discovery.Metadata, *application.Client, error) {
	m, err := d.Metadata(ctx)
	if err != nil {
		return nil, nil, err
	}
	client, err := d.client(m.Endpoints())
	return m, client, err
}

// clientFor returns the client for the saved endpoints if address, the one of them that is
// needed, is the domain's own; otherwise for those that discovery finds. A client assertion
// also needs the issuer and the domain's clock, and so discovery.
func (d *Domain) clientFor(ctx context.Context, saved tokens.Endpoints, address string) (*application.Client, tokens.Endpoints, error) {
	if !discovery.Owns(d.url, address) || !d.config.ClientKey.None() {
		m, err := d.Metadata(ctx)
		if err != nil {
			return nil, saved, err
		}
		saved = m.Endpoints()
	}
	client, err := d.client(saved)
	return client, saved, err
}

// client returns the application with its secret or key, read anew each time, for the
// given endpoints. Its error is a problem of kind Config.
func (d *Domain) client(endpoints tokens.Endpoints) (*application.Client, error) {
	c := &application.Client{
		Config: oauth2.Config{
			ClientID:    d.config.ClientID,
			RedirectURL: d.config.RedirectURIs[0],
			Scopes:      strings.Fields(d.config.Scope),
			Endpoint:    oauth2.Endpoint{TokenURL: endpoints.Token},
		},
		InForm: endpoints.SecretInForm,
		KeyID:  d.config.ClientKeyID,
		Clock:  d.ClockSkew,
	}
	proof, err := d.config.Proof().Read()
	switch {
	case err != nil:
		return nil, err
	case d.config.ClientKey.None():
		c.Secret = proof
	default:
		c.Audience = d.assertionAudience(endpoints.Token)
		c.Key, err = application.ParseKey(proof)
	}
	return c, err
}

// assertionAudience returns the aud claim of a client assertion. It has every value that
// some domain requires: OpenID Connect Core 1.0, 9 the token endpoint, Oracle's domains
// their generic issuer, and newer providers their own issuer.
func (d *Domain) assertionAudience(token string) []string {
	const generic = "https://identity.oraclecloud.com/"
	audience := []string{token}
	if m := d.metadata.Load(); m != nil && m.Issuer != "" {
		audience = append(audience, m.Issuer)
	}
	if strings.HasSuffix(d.url.Hostname(), ".identity.oraclecloud.com") && !slices.Contains(audience, generic) {
		audience = append(audience, generic)
	}
	return audience
}
