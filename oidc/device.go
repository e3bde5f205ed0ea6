package oidc

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

const (
	deviceStep       = "sign in with a code"
	devicePoll       = 5  // seconds between two polls unless the domain says otherwise (RFC 8628, 3.2)
	devicePollSlower = 5  // seconds more after a connection trouble (RFC 8628, 3.5)
	devicePollMost   = 60 // seconds
	deviceLifetime   = 5 * time.Minute
)

// signInWithDevice makes the device flow (RFC 8628): show is called once with
// what the person must be shown, keep with the tokens.
func (d *Domain) signInWithDevice(ctx context.Context, show func(Prompt), keep func(store.Tokens) error) error {
	m, err := d.discover(ctx)
	if err != nil {
		return err
	}
	client, err := d.oauth(m.Token)
	if err != nil {
		return err
	}
	client.Endpoint.DeviceAuthURL = m.Device
	grant, err := d.requestDevice(ctx, client)
	if err != nil {
		return err
	}
	show(Prompt{Flow: Device, URL: grant.VerificationURI, UserCode: grant.UserCode, ExpiresAt: grant.Expiry})
	answer, err := d.pollDevice(ctx, client, grant)
	if err != nil {
		return err
	}
	tokens, err := d.signedIn(answer, m, "")
	if err != nil {
		return err
	}
	return keep(tokens)
}

// requestDevice asks for a code. Oracle wants response_type beside the
// parameters of RFC 8628, 3.1, and no client authentication.
func (d *Domain) requestDevice(ctx context.Context, client *oauth2.Config) (*oauth2.DeviceAuthResponse, error) {
	ctx, x := d.exchange(ctx)
	grant, err := client.DeviceAuth(ctx, oauth2.SetAuthURLParam("response_type", "device_code"))
	d.learnClock(x)
	if err != nil {
		p := d.fault(deviceStep, x, err)
		if x.status == http.StatusNotFound {
			p = problem.New(problem.Config, "Could not sign in with a code: the domain has no device flow.",
				"Sign in with the browser, or ask your administrator to enable the Device Code grant.")
		}
		return nil, p
	}
	grant.VerificationURI = secured(grant.VerificationURI)
	if grant.DeviceCode == "" || grant.UserCode == "" || !secureURL(grant.VerificationURI) {
		return nil, d.nonsense(deviceStep, x, errors.New("no device code, user code or verification address"))
	}
	grant.UserCode = printable(grant.UserCode, 40)
	if grant.Expiry.IsZero() {
		grant.Expiry = time.Now().Add(deviceLifetime)
	}
	if grant.Interval <= 0 {
		grant.Interval = devicePoll
	}
	return grant, nil
}

// secured turns the http: address that Oracle's domains give for their own page
// into the https: one.
func secured(address string) string {
	u, err := url.Parse(address)
	if err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		u.Scheme = "https"
		return u.String()
	}
	return address
}

// pollDevice waits for the person. x/oauth2 ends at the first connection trouble,
// where RFC 8628, 3.5 asks for slower polling, so it is begun again.
func (d *Domain) pollDevice(ctx context.Context, client *oauth2.Config, grant *oauth2.DeviceAuthResponse) (*oauth2.Token, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, grant.Expiry, codeProblem("expired_token", "Could not "+deviceStep+": ", ""))
	defer cancel()
	for {
		ctx, x := d.exchange(ctx)
		answer, err := client.DeviceAccessToken(ctx, grant)
		d.learnClock(x)
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil || !time.Now().Before(grant.Expiry) {
			<-ctx.Done()
			return nil, problem.From(context.Cause(ctx))
		}
		p := d.fault(deviceStep, x, err)
		if !p.Retryable {
			return nil, p
		}
		d.log.Warn("polling for the device code goes on", "problem", p)
		grant.Interval = min(grant.Interval+devicePollSlower, devicePollMost)
		select {
		case <-ctx.Done():
		case <-time.After(x.retryAfter()):
		}
	}
}
