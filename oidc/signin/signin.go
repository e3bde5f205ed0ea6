// Package signin implements the sign-in flows: authorization code with a browser and a
// loopback listener (RFC 6749, 7636, 8252), device code (RFC 8628), and authorization code
// with a redirect that the person pastes.
//
// What it shows to a person is safe to show. A request to the listener that is not the
// response to this attempt changes nothing. The package uses only registered redirect URIs,
// and shows only URLs that are https or on this machine. It saves no tokens: the caller
// does, in [Attempt.Keep].
package signin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/place"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A Flow is a way to sign in.
type Flow string

// The flows.
const (
	Browser Flow = "browser" // authorization code, received by a listener on this machine
	Device  Flow = "device"  // device code, entered on any machine
	Paste   Flow = "paste"   // authorization code, pasted by the person
)

// Flows returns the flows that the configured application may use, the default first: the
// one in sign_in, else the one that suits the application and this machine. It returns
// none if auth_method needs no person.
func Flows(c config.Config) []Flow {
	var flows []Flow
	switch {
	case c.AuthMethod.Unattended():
		return []Flow{}
	case !place.Browser():
		flows = []Flow{Device, Paste, Browser}
	case c.AuthMethod == config.MobileApp: // a mobile application may have no redirect URL
		flows = []Flow{Device, Browser, Paste}
	default:
		flows = []Flow{Browser, Device, Paste}
	}
	if first := Flow(c.SignIn); first != "" {
		flows = append([]Flow{first}, slices.DeleteFunc(flows, func(f Flow) bool { return f == first })...)
	}
	return flows
}

// A Prompt is what a person must be shown during a flow.
type Prompt struct {
	Flow          Flow      `json:"flow"`
	URL           string    `json:"url"`                   // where to sign in
	CompleteURL   string    `json:"completeURL,omitempty"` // device flow: URL with the code in it (RFC 8628, 3.2); "" if the domain has none
	UserCode      string    `json:"userCode,omitempty"`    // device flow: the code to enter at URL
	ExpiresAt     time.Time `json:"expiresAt"`             // when the attempt ends, by this machine's clock
	BrowserOpened bool      `json:"browserOpened"`         // URL was opened in a browser
}

// Patience is how long a person has for the browser and paste flows. In the device flow the
// domain decides.
const Patience = 5 * time.Minute

// An Attempt is one sign-in.
type Attempt struct {
	Domain   *domain.Domain
	Config   config.Config
	Patience time.Duration             // see the constant
	Answers  <-chan Answer             // pasted texts; may be nil
	Show     func(Prompt)              // called once the prompt is known, at most once
	Keep     func(tokens.Tokens) error // saves the tokens; called before the browser shows the result
}

// An Answer is a text that a person pasted.
type Answer struct {
	Text  string
	Reply chan<- error // receives once what is wrong with Text, or nil after a completed sign-in
}

// Make does the sign-in by a flow. It returns when Keep has returned or the sign-in has
// failed. Its error is a [problem.Problem], of kind LoginTimeout if the person did not
// finish in time.
func (a Attempt) Make(ctx context.Context, flow Flow) error {
	switch flow {
	case Browser:
		return a.withBrowser(ctx)
	case Device:
		return a.withDevice(ctx)
	case Paste:
		return a.withPaste(ctx)
	default:
		return problem.New(problem.Config, "There is no flow called "+lenient.Printable(string(flow), 40)+".", "Use browser, device or paste.")
	}
}

// withBrowser does the authorization code flow with a listener at a registered redirect URI
// (RFC 8252).
func (a Attempt) withBrowser(ctx context.Context) error {
	// Listen first: if no port is free, the domain need not be asked.
	callback, redirectURI, err := listenAtOne(a.Config.RedirectURIs, a.Config.BaseURL)
	if err != nil {
		return err
	}
	defer callback.close()
	request, err := a.Domain.NewCodeRequest(ctx, redirectURI)
	if err != nil {
		return err
	}
	callback.serve(request)
	expiresAt := time.Now().Add(a.Patience)
	ctx, cancel := context.WithDeadlineCause(ctx, expiresAt, nobodyCame(redirectURI))
	defer cancel()
	a.Show(Prompt{Flow: Browser, URL: callback.startURL, ExpiresAt: expiresAt})
	code, reply, err := a.awaitCode(ctx, request, callback.arrived)
	if err == nil {
		err = a.finishCode(ctx, request, code)
		reply <- err
	}
	callback.finish(err)
	return err
}

// withPaste does the authorization code flow for a browser that cannot reach a listener on
// this machine: the person pastes the redirect URL. They can try again after a wrong text,
// and after a code that the domain does not accept.
func (a Attempt) withPaste(ctx context.Context) error {
	redirectURI := a.Config.RedirectURIs[0]
	request, err := a.Domain.NewCodeRequest(ctx, redirectURI)
	if err != nil {
		return err
	}
	expiresAt := time.Now().Add(a.Patience)
	ctx, cancel := context.WithDeadlineCause(ctx, expiresAt, nobodyCame(redirectURI))
	defer cancel()
	a.Show(Prompt{Flow: Paste, URL: request.URL(), ExpiresAt: expiresAt})
	for {
		code, reply, err := a.awaitCode(ctx, request, nil)
		if err != nil {
			return err
		}
		err = a.finishCode(ctx, request, code)
		reply <- err
		if !errors.Is(err, domain.ErrInvalidGrant) {
			return err
		}
	}
}

// awaitCode waits for an authorization response, from the listener or pasted. If it returns
// a code, the caller must send the result of the sign-in to reply. A pasted text that is not
// a response to this request is answered with an error, and awaitCode waits on; a response
// that has an error (RFC 6749, 4.1.2.1) ends it.
func (a Attempt) awaitCode(ctx context.Context, request *domain.CodeRequest, arrived <-chan arrival) (code string, reply chan<- error, err error) {
	for {
		select {
		case <-ctx.Done():
			return "", nil, problem.From(context.Cause(ctx))
		case response := <-arrived:
			return response.code, make(chan error, 1), response.err
		case answer := <-a.Answers:
			code, err := request.ParsePasted(answer.Text)
			if err == nil {
				return code, answer.Reply, nil
			}
			answer.Reply <- err
			if !errors.Is(err, domain.ErrForeignState) {
				return "", nil, err
			}
		}
	}
}

// finishCode redeems the code and saves the tokens.
func (a Attempt) finishCode(ctx context.Context, request *domain.CodeRequest, code string) error {
	tokens, err := a.Domain.Redeem(ctx, request, code)
	if err != nil {
		return err
	}
	return a.Keep(tokens)
}

// nobodyCame is the problem of a sign-in that was not finished in time. Its hint covers a
// wrong client_id or redirect URI, for which Oracle's domains show an error page and do not
// redirect back.
func nobodyCame(redirectURI string) *problem.Problem {
	return problem.New(problem.LoginTimeout, "Nobody finished the sign-in in the browser.",
		"Start again. If the browser showed an error page of the domain, check client_id, and that the redirect URL "+
			redirectURI+" is registered in the application exactly like that.")
}

// withDevice does the device flow (RFC 8628).
func (a Attempt) withDevice(ctx context.Context) error {
	request, err := a.Domain.NewDeviceRequest(ctx)
	if err != nil {
		return err
	}
	a.Show(Prompt{Flow: Device, URL: request.URL, CompleteURL: request.CompleteURL, UserCode: request.UserCode, ExpiresAt: request.ExpiresAt})
	tokens, err := a.Domain.AwaitDevice(ctx, request)
	if err != nil {
		return err
	}
	return a.Keep(tokens)
}
