package domain

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/application"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	deviceStep       = "sign in with a code"
	devicePoll       = 5 * time.Second // between two polls unless the domain says otherwise (RFC 8628, 3.2)
	devicePollSlower = 5 * time.Second // more when the domain asks for it, or after a connection trouble (3.5)
	devicePollMost   = time.Minute
	deviceLifetime   = 5 * time.Minute
	deviceLongest    = 30 * time.Minute
)

// UserCodeSize is the longest user code that is shown, in characters.
const UserCodeSize = 40

// A DeviceRequest is one device authorization (RFC 8628, 3.2): what the person must
// be shown, and what its answer must match.
type DeviceRequest struct {
	URL         string // where the code is entered
	CompleteURL string // the same with the code in it, or ""
	UserCode    string
	ExpiresAt   time.Time

	client   *application.Client
	check    answerCheck
	code     string
	interval time.Duration // between two polls
}

// NewDeviceRequest asks for a code that a person enters on any machine.
func (d *Domain) NewDeviceRequest(ctx context.Context) (*DeviceRequest, error) {
	m, err := d.discover(ctx)
	if err != nil {
		return nil, err
	}
	client, err := d.client(m.endpoints())
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

// requestDevice asks for a code. Oracle wants response_type beside the
// parameters of RFC 8628, 3.1, and no client authentication.
func (d *Domain) requestDevice(ctx context.Context, client *application.Client, endpoint string) (*DeviceRequest, error) {
	form := func() url.Values {
		form := d.beginning()
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
		// RFC 8628, 3.1 wants a confidential client to prove itself here, too.
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
	r.URL, r.CompleteURL = Secured(r.URL), Secured(r.CompleteURL)
	if r.code == "" || !SecureURL(r.URL) {
		return nil, d.nonsense(deviceStep, "no device code or no address to enter it", nil)
	}
	if !SecureURL(r.CompleteURL) {
		r.CompleteURL = ""
	}
	if r.UserCode == "" || lenient.Printable(r.UserCode, UserCodeSize) != r.UserCode {
		return nil, d.nonsense(deviceStep, "no code that a person can type", nil)
	}
	return r, nil
}

// readDeviceAnswer reads a device answer (RFC 8628, 3.2). What is odd in it is logged
// by name.
func (d *Domain) readDeviceAnswer(x *exchange.Exchange) (*DeviceRequest, error) {
	if x.Err != nil {
		return nil, x.Err
	}
	m, malformed := lenient.Read(x.Body)
	const years = 100 * 366 * 24 * time.Hour // more is no number of seconds
	lifetime, interval := m.Seconds("expires_in", years), m.Seconds("interval", years)
	r := &DeviceRequest{
		URL: cmp.Or(m.Text("verification_uri"), m.Text("verification_url")), CompleteURL: m.Text("verification_uri_complete"),
		UserCode: m.Text("user_code"), code: m.Text("device_code"),
		ExpiresAt: time.Now().Add(min(cmp.Or(lifetime, deviceLifetime), deviceLongest)),
		interval:  min(cmp.Or(interval, devicePoll), devicePollMost),
	}
	refused := refusalOf(m)
	if len(m.Odd) > 0 {
		d.log.Warn("the domain's answer is odd", "members", m.Odd)
	}
	switch {
	case x.Status/100 != 2, refused.code != "":
		return nil, &refused
	default:
		return r, malformed
	}
}

// Secured turns the http: address that Oracle's domains give for their own page
// into the https: one, and escapes what does not belong into an address.
func Secured(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.Scheme == "http" && !network.Loopback(u.Hostname()) {
		u.Scheme = "https"
	}
	return u.String()
}

// notEntered is the end of a code that nobody has entered (RFC 8628, 3.5).
func notEntered() *problem.Problem {
	return problem.New(problem.LoginTimeout, "Could not "+deviceStep+": the code was not entered in time.", "Start again, and enter the new code.")
}

// AwaitDevice waits until the person has entered the code, and returns the tokens. A
// connection trouble makes it ask less often (RFC 8628, 3.5).
func (d *Domain) AwaitDevice(ctx context.Context, r *DeviceRequest) (tokens.Tokens, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, r.ExpiresAt, notEntered())
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
