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
func checkEndpoint(ctx context.Context, sys *system) Finding {
	r := get(ctx, sys.config.EndpointNetwork(), sys.endpoint.BaseURL+"/models", nil)
	switch {
	case r.err != nil:
		return r.failure()
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		return ok(fmt.Sprintf("%s answers, and refuses a request without a token (%d)", r.host, r.status), r.steps()...)
	case r.status == http.StatusNotFound, r.status == http.StatusMethodNotAllowed:
		return warn(fmt.Sprintf("%s has no list of models at /models (%d).", sys.endpoint.BaseURL, r.status),
			sys.endpoint.CheckPath()+" If it is right, and your endpoint has no such list, that is in order.", r.steps()...)
	case r.status >= 300 && r.status < 400:
		return fail(problem.Config, fmt.Sprintf("%s leads elsewhere: to %s.", sys.endpoint.BaseURL, elsewhere(r)),
			"Write the address that it leads to as "+sys.endpoint.Key()+"; the token follows no redirect.", r.steps()...)
	case r.status >= 500, r.status == http.StatusTooManyRequests:
		return fail(problem.Network, fmt.Sprintf("The endpoint %s has a fault of its own: it answers %d.", r.host, r.status),
			"Try again later, or ask who runs it.", r.steps()...)
	case r.status == http.StatusOK && strings.Contains(r.header.Get("Content-Type"), "html"):
		return fail(problem.Network, r.host+" answers with a web page.", "Check "+sys.endpoint.Key()+"; a sign-in page of the network may be in between.", r.steps()...)
	case r.status == http.StatusOK:
		return warn(r.host+" shows its models without a token.", "Check "+sys.endpoint.Key()+": is this the endpoint behind the domain?", r.steps()...)
	default:
		return warn(fmt.Sprintf("%s answers %d where a token is missing.", r.host, r.status), "Check "+sys.endpoint.Key()+".", r.steps()...)
	}
}

// elsewhere returns only the origin of a redirect's target, because the rest may hold a
// secret.
func elsewhere(r *request) string {
	u, err := url.Parse(r.header.Get("Location"))
	if err != nil || u.Host == "" {
		return "another path"
	}
	return u.Scheme + "://" + u.Host
}

// checkToken requests the endpoint's models with the token.
func checkToken(ctx context.Context, sys *system) Finding {
	r := get(ctx, sys.config.EndpointNetwork(), sys.endpoint.BaseURL+"/models", http.Header{"Authorization": {"Bearer " + sys.token.Access.Reveal()}})
	if r.err != nil {
		return r.failure()
	}
	said := r.said()
	rejected := fmt.Sprintf("The endpoint rejects the token (%d)", r.status)
	refused := r.status == http.StatusUnauthorized || r.status == http.StatusForbidden && r.tokenMeant
	switch {
	case r.status/100 == 2:
		return ok("the endpoint accepts the token", sys.audience()...)
	case refused && sys.skew.Abs() >= skewFailure:
		return fail(problem.Config, rejected+", perhaps because of this machine's clock.", "Set the clock first.", said...)
	case refused && !r.tokenMeant:
		return fail(problem.Config, fmt.Sprintf("The endpoint refuses the request (401), but not because of the token: %s.", strings.TrimSuffix(r.reason, ".")),
			"Ask who runs the endpoint.", append(sys.audience(), said...)...)
	case refused && !sys.meantForEndpoint():
		return fail(problem.Config, rejected+": it is meant for another audience.",
			"Add the scope of the endpoint's resource application to "+sys.config.ScopeKey()+", audience and scope name written together, then sign in again.",
			append(sys.audience(), said...)...)
	case refused:
		return fail(problem.Config, fmt.Sprintf("The endpoint rejects a valid token (%d).", r.status),
			"Compare its audience with what the endpoint expects: "+sys.config.ScopeKey()+` must name the endpoint's own resource application. A revoked token is exchanged by "oci-oidc-helper refresh".`,
			append(sys.audience(), said...)...)
	case r.status == http.StatusForbidden:
		return fail(problem.Config, "The endpoint knows the token and forbids the request (403).",
			"Check that "+sys.config.ScopeKey()+" names what the endpoint wants, and ask your administrator whether you may use it.",
			append(sys.audience(), said...)...)
	case r.status == http.StatusNotFound, r.status == http.StatusMethodNotAllowed:
		return warn("not told: the endpoint has no list of models", "Try a request in OpenCode.", sys.audience()...)
	default:
		return fail(problem.Network, fmt.Sprintf("The endpoint answers %d to a request with the token.", r.status), "Try again later, or ask who runs it.", said...)
	}
}

// said returns the reason that the endpoint gives.
func (r *request) said() []string {
	var said []string
	if challenge := r.header.Get("WWW-Authenticate"); challenge != "" {
		said = append(said, "the endpoint's reason: "+endpoint.Visible(logging.Redact(challenge)))
	}
	if r.reason != "" {
		said = append(said, "it says: "+r.reason)
	}
	return said
}

// audience describes the token's audience and scope.
func (sys *system) audience() []string {
	facts, ok := idtoken.Describe(sys.token.Access)
	if !ok {
		return []string{"the token does not tell its audience"}
	}
	return []string{"the token's audience is " + strings.Join(facts.Audience, ", "), "its scope is " + facts.Scope}
}

// meantForEndpoint reports whether the token has an audience other than the domain itself.
// Which audience the endpoint expects is unknown.
func (sys *system) meantForEndpoint() bool {
	facts, ok := idtoken.Describe(sys.token.Access)
	if !ok {
		return true
	}
	return slices.ContainsFunc(facts.Audience, func(audience string) bool {
		if sameOrigin(audience, sys.config.DomainURL) || audience == facts.Issuer {
			return sameOrigin(audience, sys.endpoint.BaseURL)
		}
		return true
	})
}
