package oidc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// errInvalidGrant is the cause of the one problem that ends a session.
var errInvalidGrant = errors.New("invalid_grant")

// fault says what a failed call means: step is what was tried, as a verb
// ("refresh the session"). Nothing of the answer's body gets into it but the
// standard error code and its description.
func (d *Domain) fault(step string, x *exchange, err error) *problem.Problem {
	var refused *oauth2.RetrieveError
	switch {
	case errors.Is(x.ctx.Err(), context.Canceled):
		return problem.From(context.Cause(x.ctx))
	case errors.As(err, &refused):
		return d.refusal(step, x, refused)
	case x.status == 0:
		return d.unreachable(step, err)
	default:
		return d.nonsense(step, x, err)
	}
}

// unreachable is the problem of a call without an answer.
func (d *Domain) unreachable(step string, err error) *problem.Problem {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		dns         *net.DNSError
		timeout     net.Error
	)
	host := d.url.Host
	switch {
	case errors.Is(err, errProxyPassword):
		return proxyPassword("Could not " + step + ": ").Because(err)
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch):
		return problem.New(problem.TLS,
			fmt.Sprintf("Could not %s: the certificate of %s was not accepted.", step, host),
			"If your company inspects connections, make its CA known: set SSL_CERT_FILE, or add it to the system. If the network has a sign-in page of its own, open it in the browser first.").Because(err)
	case errors.As(err, &dns) && dns.IsNotFound && dns.Name != d.url.Hostname():
		return problem.New(problem.Network,
			fmt.Sprintf("Could not %s: the name %s, of the proxy, was not found.", step, printable(dns.Name, 100)),
			"Check the network or VPN, and HTTPS_PROXY.").Passing().Because(err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return problem.New(problem.Network,
			fmt.Sprintf("Could not %s: the name %s was not found.", step, d.url.Hostname()),
			"Check the network or VPN, and domain_url.").Passing().Because(err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return problem.New(problem.Network,
			fmt.Sprintf("Could not %s: %s did not answer in time.", step, host),
			"Check the network, VPN and proxy, then try again.").Passing().Because(err)
	default:
		return problem.New(problem.Network,
			fmt.Sprintf("Could not %s: no connection to %s.", step, host),
			"Check the network, VPN and proxy, then try again.").Passing().Because(err)
	}
}

// nonsense is the problem of an answer that is not the domain's: a captive
// portal, a proxy's page, half a JSON object.
func (d *Domain) nonsense(step string, x *exchange, err error) *problem.Problem {
	return problem.New(problem.Domain,
		fmt.Sprintf("Could not %s: the answer of %s is not an identity domain's (status %d).", step, d.url.Host, x.status),
		"A sign-in page of the network or a proxy may be in between; open any page in the browser, then try again.").Passing().Because(err)
}

// refusal is the problem of an error answer (RFC 6749, 5.2; RFC 8628, 3.5).
func (d *Domain) refusal(step string, x *exchange, refused *oauth2.RetrieveError) *problem.Problem {
	said := said(refused.ErrorCode, refused.ErrorDescription, x.supportID())
	cause := fmt.Errorf("status %d%s", x.status, said)
	could := "Could not " + step + ": "
	switch {
	case x.status == http.StatusTooManyRequests:
		return problem.New(problem.Throttled, could+"the domain is asked too often just now"+said+".",
			"Wait a moment, then try again.").Passing().Because(cause)
	case x.status == http.StatusProxyAuthRequired:
		return proxyPassword(could).Because(cause)
	case x.status >= 500, refused.ErrorCode == "temporarily_unavailable", refused.ErrorCode == "server_error":
		return problem.New(problem.Domain, fmt.Sprintf("%sthe domain has a fault of its own (status %d)%s.", could, x.status, said),
			"Wait a moment, then try again.").Passing().Because(cause)
	case refused.ErrorCode == "":
		return d.nonsense(step, x, cause)
	}
	return codeProblem(refused.ErrorCode, could, said).Because(errors.Join(codeCause(refused.ErrorCode), cause))
}

func proxyPassword(could string) *problem.Problem {
	return problem.New(problem.Network, could+"the proxy wants a user name and password.",
		"Put them into HTTPS_PROXY, as http://user:password@proxy:port.")
}

// codeProblem is the problem of a standard error code.
func codeProblem(code, could, said string) *problem.Problem {
	switch code {
	case "invalid_grant":
		return problem.New(problem.LoginRequired, could+"the domain no longer accepts this session"+said+".", "Sign in again.")
	case "invalid_client", "unauthorized_client":
		return problem.New(problem.Config, could+"the domain does not accept the application"+said+".",
			"Check client_id, client_secret and auth_method against the application in the OCI console: its secret may have been renewed, it may be inactive, or lack the grant type.")
	case "invalid_scope":
		return problem.New(problem.Config, could+"the domain does not know the scope"+said+".",
			"Check scope: a resource's scope is its audience and the scope's name written together, slashes included.")
	case "access_denied":
		return problem.New(problem.LoginDenied, could+"it was refused"+said+".", "Sign in again and choose Allow; if you did, ask your administrator for access to the application.")
	case "expired_token":
		return problem.New(problem.LoginTimeout, could+"the code was not entered in time.", "Start again, and enter the new code.")
	default:
		return problem.New(problem.Domain, could+"the domain refused"+said+".", "Ask your administrator, with this message.")
	}
}

func codeCause(code string) error {
	if code == "invalid_grant" {
		return errInvalidGrant
	}
	return nil
}

// said quotes what the domain said, for a message: ` (error: "description", ECID …)`.
func said(code, description, supportID string) string {
	var parts []string
	if code = printable(code, 60); code != "" {
		parts = append(parts, code)
	}
	if description = printable(logging.Redact(description), 200); description != "" {
		parts = append(parts, strconv.Quote(description))
	}
	if supportID != "" {
		parts = append(parts, "ECID "+supportID)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// printable returns at most limit characters of text, without control characters.
func printable(text string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if runes := []rune(clean); len(runes) > limit {
		clean = string(runes[:limit]) + "…"
	}
	return strings.TrimSpace(clean)
}

// retryAfter is how long the domain asked to be left alone (RFC 9110, 10.2.3),
// or 0.
func (x *exchange) retryAfter() time.Duration {
	value := x.header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
