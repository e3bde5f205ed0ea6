// Package signin makes a sign-in by one of the flows: authorization code with the
// browser and a listener on this machine (RFC 6749, 7636, 8252), device code (RFC
// 8628), or a redirect that the person pastes.
//
// It promises that what is shown to a person is harmless, and that a callback that
// is not the answer to this attempt changes nothing. It refuses a redirect URI that
// is not registered, and an address that is neither https nor on this machine. It
// keeps no tokens: they are handed to the caller, who saves them.
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

// Flows are those that an application can do. The first one is what sign_in says, else
// the one that suits the application and this machine best. There is none where no
// person is needed.
func Flows(c config.Config) []Flow {
	var flows []Flow
	switch {
	case c.AuthMethod.Unattended():
		return []Flow{}
	case !place.Browser():
		flows = []Flow{Device, Paste, Browser}
	case c.AuthMethod == config.MobileApp: // its redirect is not always registered
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
	CompleteURL   string    `json:"completeURL,omitempty"` // the same with the code in it, where the domain has one (RFC 8628, 3.2)
	UserCode      string    `json:"userCode,omitempty"`    // to be entered there; only of the device flow
	ExpiresAt     time.Time `json:"expiresAt"`             // of the attempt
	BrowserOpened bool      `json:"browserOpened"`
}

// Patience is how long a person has for the sign-in page.
const Patience = 5 * time.Minute

// An Attempt is one sign-in.
type Attempt struct {
	Domain   *domain.Domain
	Config   config.Config
	Patience time.Duration             // with a person at the sign-in page
	Answers  <-chan Answer             // what the person pastes; nil if nobody can
	Show     func(Prompt)              // called once with what the person must be shown
	Keep     func(tokens.Tokens) error // called with the tokens, before the browser is told of success
}

// An Answer is what a person pasted, and where to say what is wrong with it.
type Answer struct {
	Text  string
	Reply chan<- error
}

// Make makes the sign-in by a flow. Its errors are problems, of kind LoginTimeout
// when the person did not finish in time.
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

// withBrowser makes the authorization code flow with a listener at the registered
// redirect URI (RFC 8252).
func (a Attempt) withBrowser(ctx context.Context) error {
	// The listener first: without it there is no use in asking the domain.
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

// withPaste makes the authorization code flow where no listener can be reached: the
// person pastes the redirect. A wrong paste may be tried again, and so may one that
// the domain does not take.
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

// awaitCode waits for the browser's answer or a pasted one, to whose owner a reply
// is then owed. A wrong paste is told to who pasted it, and another may follow; a
// right one that says no ends it.
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

func (a Attempt) finishCode(ctx context.Context, request *domain.CodeRequest, code string) error {
	tokens, err := a.Domain.Redeem(ctx, request, code)
	if err != nil {
		return err
	}
	return a.Keep(tokens)
}

// nobodyCame is the problem of a sign-in that was not finished. Oracle shows a
// wrong client or redirect on a page of its own, which never comes back to us.
func nobodyCame(redirectURI string) *problem.Problem {
	return problem.New(problem.LoginTimeout, "Nobody finished the sign-in in the browser.",
		"Start again. If the browser showed an error page of the domain, check client_id, and that the redirect URL "+
			redirectURI+" is registered in the application exactly like that.")
}

// withDevice makes the device flow (RFC 8628).
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
