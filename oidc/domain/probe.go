package domain

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// Probes find out what is configured wrongly at a domain, without a person and without
// using up a token: they send requests that must fail, and read the error.

// ProbeApplication returns nil if the domain knows the application and accepts its
// authentication: then it refuses an invalid code with invalid_grant and not with
// invalid_client (RFC 6749, 5.2).
func (d *Domain) ProbeApplication(ctx context.Context) error {
	return d.probeGrant(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {"not-a-code"}, "redirect_uri": {d.config.RedirectURIs[0]},
		"code_verifier": {oauth2.GenerateVerifier()},
	})
}

// ProbeRefresh returns nil if the application may use the refresh token grant. It sends an
// invalid refresh token.
func (d *Domain) ProbeRefresh(ctx context.Context) error {
	return d.probeGrant(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"not-a-refresh-token"}})
}

func (d *Domain) probeGrant(ctx context.Context, form url.Values) error {
	const step = "ask whether the application is right"
	m, client, err := d.discoverClient(ctx)
	if err != nil {
		return err
	}
	err = d.checkStatus(step, d.post(ctx, m.Token, client, form))
	switch {
	case errors.Is(err, ErrInvalidGrant):
		return nil
	case err == nil:
		return d.notFromDomain(step, "what was never issued was accepted", nil)
	default:
		return err
	}
}

// ProbeAuthorization returns nil if the domain answers an authorization request for the
// client, redirectURI and the configured scope without an error. A domain may check some
// of these only after the person has signed in.
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
		return nil // the answer is inconclusive
	}
	return err
}

// ProbeDevice returns nil if the domain issues a device code to the application. The code
// is not used.
func (d *Domain) ProbeDevice(ctx context.Context) error {
	m, client, err := d.discoverClient(ctx)
	if err != nil {
		return err
	}
	_, err = d.requestDevice(ctx, client, m.Device)
	return err
}
