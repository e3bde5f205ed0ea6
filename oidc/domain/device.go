package domain

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	deviceStep       = "sign in with a code"
	devicePoll       = 5  // seconds between two polls unless the domain says otherwise (RFC 8628, 3.2)
	devicePollSlower = 5  // seconds more after a connection trouble (RFC 8628, 3.5)
	devicePollMost   = 60 // seconds
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

	client *client
	check  answerCheck
	grant  *oauth2.DeviceAuthResponse
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
	client.Endpoint.DeviceAuthURL = m.Device
	grant, err := d.requestDevice(ctx, client)
	if err != nil {
		return nil, err
	}
	return &DeviceRequest{
		URL: grant.VerificationURI, CompleteURL: grant.VerificationURIComplete, UserCode: grant.UserCode, ExpiresAt: grant.Expiry,
		client: client, check: check, grant: grant,
	}, nil
}

// AwaitDevice waits until the person has entered the code, and returns the tokens.
func (d *Domain) AwaitDevice(ctx context.Context, r *DeviceRequest) (tokens.Tokens, error) {
	answer, err := d.pollDevice(ctx, r.client, r.grant)
	if err != nil {
		return tokens.Tokens{}, err
	}
	return d.signedIn(ctx, answer, r.check, "")
}

// requestDevice asks for a code. Oracle wants response_type beside the
// parameters of RFC 8628, 3.1, and no client authentication.
func (d *Domain) requestDevice(ctx context.Context, client *client) (*oauth2.DeviceAuthResponse, error) {
	grant, x, err := d.askForDevice(ctx, client, nil)
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) && refused.ErrorCode == "invalid_client" {
		// RFC 8628, 3.1 wants a confidential client to prove itself here, too.
		grant, x, err = d.askForDevice(ctx, client, client)
	}
	if err != nil {
		p := d.fault(deviceStep, x, err)
		if x.status == http.StatusNotFound {
			p = problem.New(problem.Config, "Could not sign in with a code: the domain has no device flow.",
				"Sign in with the browser, or ask your administrator to enable the Device Code grant.")
		}
		return nil, p
	}
	grant.VerificationURI = Secured(grant.VerificationURI)
	if grant.DeviceCode == "" || !SecureURL(grant.VerificationURI) {
		return nil, d.nonsense(deviceStep, "no device code or no address to enter it", nil)
	}
	if grant.VerificationURIComplete = Secured(grant.VerificationURIComplete); !SecureURL(grant.VerificationURIComplete) {
		grant.VerificationURIComplete = ""
	}
	if grant.UserCode == "" || Printable(grant.UserCode, UserCodeSize) != grant.UserCode {
		return nil, d.nonsense(deviceStep, "no code that a person can type", nil)
	}
	now := time.Now()
	if grant.Expiry.IsZero() {
		grant.Expiry = now.Add(deviceLifetime)
	}
	if latest := now.Add(deviceLongest); grant.Expiry.After(latest) {
		grant.Expiry = latest
	}
	if grant.Interval <= 0 {
		grant.Interval = devicePoll
	}
	grant.Interval = min(grant.Interval, devicePollMost)
	return grant, nil
}

func (d *Domain) askForDevice(ctx context.Context, client, as *client) (*oauth2.DeviceAuthResponse, *exchange, error) {
	ctx, x := d.exchangeAs(ctx, as, d.beginning())
	grant, err := client.DeviceAuth(ctx, oauth2.SetAuthURLParam("response_type", "device_code"))
	d.learnClock(x)
	return grant, x, err
}

// Secured turns the http: address that Oracle's domains give for their own page
// into the https: one, and escapes what does not belong into an address.
func Secured(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		u.Scheme = "https"
	}
	return u.String()
}

// notEntered is the end of a code that nobody has entered (RFC 8628, 3.5).
func notEntered() *problem.Problem {
	return problem.New(problem.LoginTimeout, "Could not "+deviceStep+": the code was not entered in time.", "Start again, and enter the new code.")
}

// pollDevice waits for the person. x/oauth2 ends at the first connection trouble,
// where RFC 8628, 3.5 asks for slower polling, so it is begun again.
func (d *Domain) pollDevice(ctx context.Context, client *client, grant *oauth2.DeviceAuthResponse) (*oauth2.Token, error) {
	ctx, cancel := context.WithDeadlineCause(ctx, grant.Expiry, notEntered())
	defer cancel()
	for {
		ctx, x := d.exchangeAs(ctx, client, d.resources())
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
		case <-time.After(min(x.retryAfter(), devicePollMost*time.Second)):
		}
	}
}
