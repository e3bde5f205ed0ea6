package domain

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
)

// ErrInvalidGrant is the cause of a problem if the domain answered with the error
// invalid_grant (RFC 6749, 5.2). After a refresh it means that the session has ended.
var ErrInvalidGrant = errors.New("invalid_grant")

// fault returns the problem of a failed request. step says what was tried, and follows
// "Could not" ("refresh the session"). The problem quotes the error description in the
// answer, shortened and redacted.
func (d *Domain) fault(step string, x *exchange.Exchange, err error) *problem.Problem {
	var refused *refusal
	switch {
	case errors.Is(x.Ctx.Err(), context.Canceled):
		return problem.From(context.Cause(x.Ctx))
	case errors.As(err, &refused):
		return d.refusal(step, x, refused)
	case errors.Is(err, errNoTokens):
		return d.withoutTokens(step, x)
	case errors.Is(err, exchange.ErrTooLarge):
		return d.notFromDomain(step, "it is too large", err)
	case x.Err != nil:
		return d.unreachable(step, x, err)
	default:
		return d.notFromDomain(step, fmt.Sprintf("status %d", x.Status)+x.Oddness(), err)
	}
}

// unreachable is the problem of a request that got no complete answer.
func (d *Domain) unreachable(step string, x *exchange.Exchange, err error) *problem.Problem {
	p := d.config.Network.Diagnose(err, x.URL)
	if p.Kind != problem.Config { // those are about a file, not about the request
		p.Message = "Could not " + step + ": " + p.Message
	}
	return p
}

// notFromDomain is the problem of an answer that cannot come from an identity domain: the page
// of a captive portal or proxy, or JSON that is cut off.
func (d *Domain) notFromDomain(step, why string, err error) *problem.Problem {
	return problem.New(problem.Domain,
		fmt.Sprintf("Could not %s: the answer of %s is not an identity domain's (%s).", step, d.url.Host, why),
		portalHint).Passing().Because(err)
}

const portalHint = "A sign-in page of the network or a proxy may be in between; open any page in the browser, then try again."

// withoutTokens is the problem of a successful JSON answer that has no access token.
func (d *Domain) withoutTokens(step string, x *exchange.Exchange) *problem.Problem {
	code, description, _ := errorText(x, &refusal{})
	if m, _ := lenient.ReadAnswer(x.Body); m.Raw["tokenResponses"] != nil {
		return problem.New(problem.Config, "Could not "+step+": scope names several resources, and the domain answered with a token for each.",
			"Name one resource in scope; another endpoint can have a scope of its own, under endpoints.").Because(errNoTokens)
	}
	return problem.New(problem.Domain,
		fmt.Sprintf("Could not %s: %s answered with success (status %d), but without a token%s.", step, d.url.Host, x.Status, exchange.Said(code, description, x.SupportID())),
		"Try again in a moment; if it stays, check domain_url and ask your administrator.").Passing().Because(errNoTokens)
}

// redirected is the problem of a redirect, which is never followed.
func (d *Domain) redirected(step string, x *exchange.Exchange, cause error) *problem.Problem {
	message, hint := fmt.Sprintf("Could not %s: %s redirects (status %d)", step, d.url.Host, x.Status), portalHint
	to, err := x.URL.Parse(x.Header.Get("Location"))
	if err != nil || to.Host == "" || x.Header.Get("Location") == "" {
		return problem.New(problem.Domain, message+", and does not say where to.", hint).Passing().Because(cause)
	}
	if to.Host == x.URL.Host {
		message += " to another address of its own"
		hint += " If that does not help, ask your administrator, with this message."
	} else {
		message += " to " + lenient.Printable(to.Host, 100)
		hint += " If that is your domain's own address, set domain_url to it."
	}
	return problem.New(problem.Domain, message+".", hint).Passing().Because(cause)
}

// refusal is the problem of an error response (RFC 6749, 5.2; RFC 8628, 3.5).
func (d *Domain) refusal(step string, x *exchange.Exchange, refused *refusal) *problem.Problem {
	code, description, isJSON := errorText(x, refused)
	said := exchange.Said(code, description, x.SupportID())
	cause := fmt.Errorf("status %d%s", x.Status, said)
	could := "Could not " + step + ": "
	switch {
	case x.Status == http.StatusTooManyRequests:
		return problem.New(problem.Throttled, could+"the domain is asked too often just now"+said+".",
			"Wait a moment, then try again.").Passing().Because(cause)
	case x.Status == http.StatusProxyAuthRequired:
		proxy, _ := network.Proxy(x.URL)
		p := network.PasswordForProxy(proxy, x.Header.Values("Proxy-Authenticate"))
		p.Message = could + p.Message
		return p.Because(cause)
	case x.Status == http.StatusNetworkAuthenticationRequired: // RFC 6585, 6
		return d.notFromDomain(step, fmt.Sprintf("status %d", x.Status), cause)
	case 300 <= x.Status && x.Status <= 399 && x.Status != http.StatusNotModified:
		return d.redirected(step, x, cause)
	case x.Status >= 500, refused.code == "temporarily_unavailable", refused.code == "server_error":
		return problem.New(problem.Domain, fmt.Sprintf("%sthe domain has a fault of its own (status %d)%s.", could, x.Status, said),
			"Wait a moment, then try again.").Passing().Because(cause)
	case refused.code == "expired_token" && step == deviceStep:
		return codeNotEntered().Because(cause)
	case refused.code == "invalid_grant" && step == deviceStep: // the code is used up, or forgotten after its end
		return problem.New(problem.LoginTimeout, could+"the code was not entered in time, or the domain's answer to it was lost.", "Start again, and enter the new code.").Because(cause)
	case refused.code == "" && isJSON && x.Status >= 400: // an error in JSON, but not in the form of OAuth
		hint := "Ask your administrator, with this message."
		if strings.Contains(said, "invalid_grant") {
			hint = "Sign in again. If that does not help, ask your administrator, with this message."
		}
		return problem.New(problem.Domain, fmt.Sprintf("%sthe domain refused (status %d)%s.", could, x.Status, said), hint).Because(cause)
	case refused.code == "":
		p := d.notFromDomain(step, fmt.Sprintf("status %d%s%s", x.Status, x.Oddness(), exchange.Quoted(description)), cause)
		if x.Status == http.StatusNotFound || x.Status == http.StatusMethodNotAllowed {
			p.Hint = "Check domain_url: another server may be at that address. If it is right: " + portalHint
		}
		return p
	}
	if refused.code == "invalid_grant" {
		cause = errors.Join(ErrInvalidGrant, cause)
	}
	return codeProblem(refused.code, could, said).Because(cause)
}

// errorText returns the code and description of an error response: those of OAuth, else what
// other members say. isJSON reports whether the body is JSON.
func errorText(x *exchange.Exchange, refused *refusal) (code, description string, isJSON bool) {
	code, description = refused.code, refused.description
	m, malformed := lenient.ReadAnswer(x.Body)
	isJSON = malformed == nil || json.Valid(x.Body)
	if code == "" && isJSON {
		inner := m.Object("error")
		code = cmp.Or(m.Loose("code"), m.Loose("errorCode"), inner.Loose("code"))
	}
	if description == "" {
		// Redact before shortening: half a secret would not be recognised as one.
		description = endpoint.Reason(x.Header, logging.Redact(string(x.Body)))
	}
	if description == code {
		description = ""
	}
	return code, description, isJSON
}

// codeProblem is the problem of an OAuth error code. A code that is not standard has the
// kind Domain.
func codeProblem(code, could, said string) *problem.Problem {
	switch code {
	case "invalid_grant":
		return problem.New(problem.LoginRequired, could+"the domain no longer accepts this session"+said+".", "Sign in again.")
	case "interaction_required", "login_required", "account_selection_required", "consent_required":
		return problem.New(problem.LoginRequired, could+"the domain asks you to sign in"+said+".", `Sign in again; if prompt is "none", remove it first.`)
	case "invalid_client", "unauthorized_client":
		return problem.New(problem.Config, could+"the domain does not accept the application"+said+".",
			"Check client_id, client_secret and auth_method against the application in the OCI console: its secret may have been renewed, it may be inactive, or lack the grant type.")
	case "invalid_scope":
		return problem.New(problem.Config, could+"the domain does not know the scope"+said+".",
			"Check scope: a resource's scope is its audience and the scope's name written together, slashes included.")
	case "access_denied", "authorization_declined": // the second is Microsoft's
		return problem.New(problem.LoginDenied, could+"it was refused"+said+".", "Sign in again and choose Allow; if you did, ask your administrator for access to the application.")
	default:
		return problem.New(problem.Domain, could+"the domain refused"+said+".", "Ask your administrator, with this message.")
	}
}
