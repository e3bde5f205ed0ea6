package domain

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
)

// Probes find out what is wrong at a domain without a person and without using
// anything up: they ask with what cannot succeed, and read the refusal.

// Facts are what a domain's discovery document says, with Oracle's own paths
// where it is silent.
type Facts struct {
	Issuer        string
	Authorization string
	Token         string
	Device        string
	Revocation    string
}

// Facts returns the domain's discovery document.
func (d *Domain) Facts(ctx context.Context) (Facts, error) {
	m, err := d.discover(ctx)
	if err != nil {
		return Facts{}, err
	}
	return Facts{m.Issuer, m.Authorization, m.Token, m.Device, m.Revocation}, nil
}

// ProbeApplication reports whether the domain knows the application and its
// secret: a code that is none must be refused as that (RFC 6749, 5.2).
func (d *Domain) ProbeApplication(ctx context.Context) error {
	return d.probeGrant(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {"not-a-code"}, "redirect_uri": {d.config.RedirectURIs[0]},
		"code_verifier": {oauth2.GenerateVerifier()},
	})
}

// ProbeRefresh reports whether the application may refresh.
func (d *Domain) ProbeRefresh(ctx context.Context) error {
	return d.probeGrant(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"not-a-refresh-token"}})
}

func (d *Domain) probeGrant(ctx context.Context, form url.Values) error {
	const step = "ask whether the application is right"
	m, err := d.discover(ctx)
	if err != nil {
		return err
	}
	client, err := d.client(m.endpoints())
	if err != nil {
		return err
	}
	err = d.acknowledged(step, d.post(ctx, m.Token, client, form))
	switch {
	case errors.Is(err, ErrInvalidGrant):
		return nil
	case err == nil:
		return d.nonsense(step, "what was never issued was accepted", nil)
	default:
		return err
	}
}

// ProbeAuthorization reports whether the domain would show its sign-in page for
// the client, one of its redirects, and the scope of the configuration, as far as it reveals that:
// a domain may say so only after the sign-in.
func (d *Domain) ProbeAuthorization(ctx context.Context, redirectURI string) error {
	const step = "ask for the sign-in page"
	request, err := d.NewCodeRequest(ctx, redirectURI)
	if err != nil {
		return err
	}
	x := d.get(ctx, request.URL())
	switch {
	case x.Err != nil:
		return d.fault(step, x, x.Err)
	case x.Status == http.StatusTooManyRequests, x.Status >= 500, x.Status == http.StatusProxyAuthRequired:
		return d.fault(step, x, &refusal{})
	case x.Status >= 400:
		return problem.New(problem.Config, "The domain shows an error page instead of its sign-in page.",
			"Check client_id, and that the redirect URL "+redirectURI+
				" is registered in the application exactly like that, with \"Allow non-HTTPS URLs\" on.")
	}
	location, err := url.Parse(x.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(location.String(), redirectURI+"?") {
		return nil
	}
	if _, err = request.Parse(location.Query()); errors.Is(err, ErrForeignState) {
		return nil // an answer that tells nothing
	}
	return err
}

// ProbeDevice reports whether the domain gives the application a device code. The
// code is left to expire.
func (d *Domain) ProbeDevice(ctx context.Context) error {
	m, err := d.discover(ctx)
	if err != nil {
		return err
	}
	client, err := d.client(m.endpoints())
	if err != nil {
		return err
	}
	_, err = d.requestDevice(ctx, client, m.Device)
	return err
}

// TokenFacts are what an access token says of itself, if it is a JSON Web Token.
// Nothing of it was verified.
type TokenFacts struct {
	Issuer    string
	Audience  []string
	Scope     string
	ExpiresAt time.Time // by the domain's clock
}

// DescribeToken reads an access token.
func DescribeToken(access secret.Text) (facts TokenFacts, ok bool) {
	c, err := idtoken.Parse(access.Reveal())
	if err != nil {
		return TokenFacts{}, false
	}
	facts = TokenFacts{Issuer: lenient.Printable(c.Issuer, 200), Scope: lenient.Printable(c.Scope, 500), ExpiresAt: c.Expiry.Time()}
	for _, one := range c.Audience {
		facts.Audience = append(facts.Audience, lenient.Printable(one, 200))
	}
	return facts, true
}
