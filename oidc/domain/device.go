package domain

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/application"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	deviceStep       = "sign in with a code"
	devicePoll       = 5 * time.Second  // between two polls, if the answer has no interval (RFC 8628, 3.2)
	devicePollSlower = 5 * time.Second  // added after slow_down or a failed request (3.5)
	devicePollMost   = time.Minute      // a longer interval is cut to this
	deviceLifetime   = 5 * time.Minute  // if the answer has no expires_in
	deviceLongest    = 30 * time.Minute // a longer expires_in is cut to this
)

// UserCodeSize is the longest user code that is shown, in characters.
const UserCodeSize = 40

// A DeviceRequest is a device authorization response (RFC 8628, 3.2): what to show the
// person, and what is needed to poll for the tokens.
type DeviceRequest struct {
	URL         string    // verification_uri: where the person enters the code
	CompleteURL string    // verification_uri_complete, which includes the code; "" if missing
	UserCode    string    // safe to show
	ExpiresAt   time.Time // when the code expires, by this machine's clock

	client   *application.Client
	check    answerCheck
	code     string        // device_code
	interval time.Duration // between two polls
}

// NewDeviceRequest requests a user code, which a person enters on any machine. If the
// domain has no device flow, it returns a problem of kind Config.
func (d *Domain) NewDeviceRequest(ctx context.Context) (*DeviceRequest, error) {
	m, client, err := d.discoverClient(ctx)
	if err != nil {
		return nil, err
	}
	check, err := d.newAnswerCheck(ctx, m)
	if err != nil {
		return nil, err
	}
	r, err := d.requestDevice(ctx, client, m.Device)
	if err != nil {
		return nil, err
	}
	r.check = check
	return r, nil
}

// requestDevice sends the device authorization request. Oracle's domains require
// response_type in addition to the parameters of RFC 8628, 3.1, and no client
// authentication.
func (d *Domain) requestDevice(ctx context.Context, client *application.Client, endpoint string) (*DeviceRequest, error) {
	form := func() url.Values {
		form := d.newSessionParams()
		form.Set("client_id", client.ClientID)
		form.Set("response_type", "device_code")
		if d.config.Scope != "" {
			form.Set("scope", d.config.Scope)
		}
		return form
	}
	x := d.post(ctx, endpoint, nil, form())
	r, err := d.readDeviceAnswer(x)
	if refused := (*refusal)(nil); errors.As(err, &refused) && (refused.code == "invalid_client" || refused.code == "unauthorized_client") {
		// Other domains follow RFC 8628, 3.1: a confidential client must authenticate here.
		x = d.post(ctx, endpoint, client, form())
		r, err = d.readDeviceAnswer(x)
	}
	switch {
	case err == nil:
	case x.Err == nil && x.Status == http.StatusNotFound:
		return nil, problem.New(problem.Config, "Could not sign in with a code: the domain has no device flow.",
			"Sign in with the browser, or ask your administrator to enable the Device Code grant.")
	default:
		return nil, d.fault(deviceStep, x, err)
	}
	r.client = client
	r.URL = cmp.Or(r.URL, r.CompleteURL)
	r.URL, r.CompleteURL = discovery.Secured(discovery.Absolute(d.url, r.URL)), discovery.Secured(discovery.Absolute(d.url, r.CompleteURL))
	if r.code == "" || !discovery.SecureURL(r.URL) {
		return nil, d.notFromDomain(deviceStep, "no device code or no address to enter it", nil)
	}
	if !discovery.SecureURL(r.CompleteURL) {
		r.CompleteURL = ""
	}
	if r.UserCode == "" || lenient.Printable(r.UserCode, UserCodeSize) != r.UserCode {
		return nil, d.notFromDomain(deviceStep, "no code that a person can type", nil)
	}
	return r, nil
}

// readDeviceAnswer reads a device authorization response (RFC 8628, 3.2). It logs the
// names of members with a wrong type.
func (d *Domain) readDeviceAnswer(x *exchange.Exchange) (*DeviceRequest, error) {
	if x.Err != nil {
		return nil, x.Err
	}
	m, malformed := lenient.ReadAnswer(x.Body)
	const years = 100 * 366 * 24 * time.Hour // a larger number is not believed at all
	lifetime, interval := m.Seconds("expires_in", years), m.Seconds("interval", years)
	r := &DeviceRequest{
		URL:         strings.TrimSpace(cmp.Or(m.Single("verification_uri"), m.Single("verification_url"))),
		CompleteURL: strings.TrimSpace(m.Single("verification_uri_complete")),
		UserCode:    strings.TrimSpace(m.Loose("user_code")), code: strings.TrimSpace(m.Loose("device_code")),
		ExpiresAt: time.Now().Add(min(cmp.Or(lifetime, deviceLifetime), deviceLongest)),
		interval:  min(cmp.Or(interval, devicePoll), devicePollMost),
	}
	refused := refusalOf(m, x)
	d.warnOdd("answer", m.Odd)
	switch {
	case x.Status/100 != 2, refused.code != "":
		return nil, &refused
	default:
		return r, malformed
	}
}

// codeNotEntered is the problem of a user code that expired before the person entered it
// (expired_token in RFC 8628, 3.5).
func codeNotEntered() *problem.Problem {
	return problem.New(problem.LoginTimeout, "Could not "+deviceStep+": the code was not entered in time.", "Start again, and enter the new code.")
}

// AwaitDevice polls until the person has entered the code, and returns the tokens (RFC
// 8628, 3.4). It polls less often after slow_down or a network error (3.5). If the code
// expires first, it returns a problem of kind LoginTimeout.
func (d *Domain) AwaitDevice(ctx context.Context, r *DeviceRequest) (tokens.Tokens, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, r.ExpiresAt, codeNotEntered())
	defer cancel()
	slower := func() { r.interval = min(r.interval+devicePollSlower, devicePollMost) }
	wait := r.interval
	for {
		select {
		case <-ctx.Done():
			return tokens.Tokens{}, problem.From(context.Cause(ctx))
		case <-time.After(wait):
		}
		form := d.resources()
		form.Set("grant_type", "urn:ietf:params:oauth:grant-type:device_code")
		form.Set("device_code", r.code)
		x := d.post(ctx, r.client.Endpoint.TokenURL, r.client, form)
		answer, err := d.readAnswer(x)
		if err == nil {
			return d.signedIn(ctx, answer, r.check, "")
		}
		if ctx.Err() != nil {
			return tokens.Tokens{}, problem.From(context.Cause(ctx))
		}
		wait = 0
		switch refused := (*refusal)(nil); {
		case errors.As(err, &refused) && refused.code == "authorization_pending":
		case errors.As(err, &refused) && refused.code == "slow_down":
			slower()
		default:
			p := d.fault(deviceStep, x, err)
			if !p.Retryable {
				return tokens.Tokens{}, p
			}
			d.log.Warn("polling for the device code goes on", "problem", p)
			slower()
			wait = min(x.RetryAfter(), devicePollMost)
		}
		wait += r.interval
	}
}
