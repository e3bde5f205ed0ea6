package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
)

// checkEndpoint requests the endpoint's models without a token, which the endpoint should
// refuse.
func checkEndpoint(ctx context.Context, p *patient) Finding {
	if p.config == nil {
		return skip(noConfiguration)
	}
	w := travel(ctx, p.config.EndpointNetwork(), p.endpoint.BaseURL+"/models", nil)
	switch {
	case w.err != nil:
		return w.trouble()
	case w.status == http.StatusUnauthorized, w.status == http.StatusForbidden:
		return ok(fmt.Sprintf("%s answers, and refuses a request without a token (%d)", w.host, w.status), w.steps()...)
	case w.status == http.StatusNotFound, w.status == http.StatusMethodNotAllowed:
		return warn(fmt.Sprintf("%s has no list of models at /models (%d).", p.endpoint.BaseURL, w.status),
			"If your endpoint has none, that is in order; else check the path of "+p.endpoint.Key()+", which usually ends in /v1.", w.steps()...)
	case w.status >= 300 && w.status < 400:
		return fail(problem.Config, fmt.Sprintf("%s leads elsewhere: to %s.", p.endpoint.BaseURL, elsewhere(w)),
			"Write the address that it leads to as "+p.endpoint.Key()+"; the token follows no redirect.", w.steps()...)
	case w.status >= 500, w.status == http.StatusTooManyRequests:
		return fail(problem.Network, fmt.Sprintf("The endpoint %s is in trouble: it answers %d.", w.host, w.status),
			"Try again later, or ask who runs it.", w.steps()...)
	case w.status == http.StatusOK && strings.Contains(w.header.Get("Content-Type"), "html"):
		return fail(problem.Network, w.host+" answers with a web page.", "Check "+p.endpoint.Key()+"; a sign-in page of the network may be in between.", w.steps()...)
	case w.status == http.StatusOK:
		return warn(w.host+" shows its models without a token.", "Check "+p.endpoint.Key()+": is this the endpoint behind the domain?", w.steps()...)
	default:
		return warn(fmt.Sprintf("%s answers %d where a token is missing.", w.host, w.status), "Check "+p.endpoint.Key()+".", w.steps()...)
	}
}

// elsewhere returns only the origin of a redirect's target, because the rest may hold a
// secret.
func elsewhere(w *way) string {
	u, err := url.Parse(w.header.Get("Location"))
	if err != nil || u.Host == "" {
		return "another path"
	}
	return u.Scheme + "://" + u.Host
}

// checkToken requests the endpoint's models with the token.
func checkToken(ctx context.Context, p *patient) Finding {
	switch {
	case p.config == nil:
		return skip(noConfiguration)
	case p.token == nil:
		return skip("not checked without a valid token")
	}
	w := travel(ctx, p.config.EndpointNetwork(), p.endpoint.BaseURL+"/models", http.Header{"Authorization": {"Bearer " + p.token.Access.Reveal()}})
	if w.err != nil {
		return w.trouble()
	}
	said := w.said()
	rejected := fmt.Sprintf("The endpoint rejects the token (%d)", w.status)
	refused := w.status == http.StatusUnauthorized || w.status == http.StatusForbidden && w.tokenMeant
	switch {
	case w.status/100 == 2:
		return ok("the endpoint accepts the token", p.audience()...)
	case refused && p.skew.Abs() >= skewFailure:
		return fail(problem.Config, rejected+", perhaps because of this machine's clock.", "Set the clock first.", said...)
	case refused && !w.tokenMeant:
		return fail(problem.Config, fmt.Sprintf("The endpoint refuses the request (401), but not because of the token: %s.", strings.TrimSuffix(w.reason, ".")),
			"Ask who runs the endpoint.", append(p.audience(), said...)...)
	case refused && !p.meantForEndpoint():
		return fail(problem.Config, rejected+": it is meant for another audience.",
			"Add the scope of the endpoint's resource application to "+p.config.ScopeKey()+", audience and scope name written together, then sign in again.",
			append(p.audience(), said...)...)
	case refused:
		return fail(problem.Config, fmt.Sprintf("The endpoint rejects a valid token (%d).", w.status),
			"Compare its audience with what the endpoint expects: "+p.config.ScopeKey()+` must name the endpoint's own resource application. A revoked token is exchanged by "oci-oidc-helper refresh".`,
			append(p.audience(), said...)...)
	case w.status == http.StatusForbidden:
		return fail(problem.Config, "The endpoint knows the token and forbids the request (403).",
			"Check that "+p.config.ScopeKey()+" names what the endpoint wants, and ask your administrator whether you may use it.",
			append(p.audience(), said...)...)
	case w.status == http.StatusNotFound, w.status == http.StatusMethodNotAllowed:
		return warn("not told: the endpoint has no list of models", "Try a request in OpenCode.", p.audience()...)
	default:
		return fail(problem.Network, fmt.Sprintf("The endpoint answers %d to a request with the token.", w.status), "Try again later, or ask who runs it.", said...)
	}
}

// said returns the reason that the endpoint gives.
func (w *way) said() []string {
	var said []string
	if challenge := w.header.Get("WWW-Authenticate"); challenge != "" {
		said = append(said, "the endpoint's reason: "+endpoint.Visible(logging.Redact(challenge)))
	}
	if w.reason != "" {
		said = append(said, "it says: "+w.reason)
	}
	return said
}

// audience describes the token's audience and scope.
func (p *patient) audience() []string {
	facts, ok := idtoken.Describe(p.token.Access)
	if !ok {
		return []string{"the token does not tell its audience"}
	}
	return []string{"the token's audience is " + strings.Join(facts.Audience, ", "), "its scope is " + facts.Scope}
}

// meantForEndpoint reports whether the token has an audience other than the domain itself.
// Which audience the endpoint expects is unknown.
func (p *patient) meantForEndpoint() bool {
	facts, ok := idtoken.Describe(p.token.Access)
	if !ok {
		return true
	}
	return slices.ContainsFunc(facts.Audience, func(audience string) bool {
		if sameOrigin(audience, p.config.DomainURL) || audience == facts.Issuer {
			return sameOrigin(audience, p.endpoint.BaseURL)
		}
		return true
	})
}
