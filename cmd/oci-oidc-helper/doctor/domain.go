package doctor

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// Larger differences between the clocks are a warning or a failure.
const (
	skewWarning = time.Minute
	skewFailure = 5 * time.Minute
)

// checkConnection connects to the domain and shows each step. The domain's answer is left to the
// next checks.
func checkConnection(ctx context.Context, sys *system) Finding {
	r := get(ctx, sys.config.Network, sys.config.DomainURL+"/.well-known/openid-configuration", nil)
	if r.err != nil {
		return r.failure()
	}
	sys.reach = true
	return ok(r.host+" answers", r.steps()...)
}

func checkDiscovery(ctx context.Context, sys *system) Finding {
	metadata, err := sys.domain.Metadata(ctx)
	if err != nil {
		return failWith(sys, err)
	}
	sys.answered, sys.skew = true, sys.domain.ClockSkew()
	details := []string{"token endpoint " + metadata.Token}
	if metadata.Issuer == "" {
		return fail(problem.Domain, sys.config.DomainURL+" has no discovery document: it does not seem to be an identity domain.",
			"Check domain_url: it is the Domain URL on the domain's page in the OCI console.", details...)
	}
	if host := hostOf(metadata.Token); !strings.EqualFold(host, hostOf(sys.config.DomainURL)) {
		details = append(details, "the domain's endpoints are on another host: "+host)
	}
	return ok("issuer "+metadata.Issuer, details...)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func checkClocks(_ context.Context, sys *system) Finding {
	now := time.Now().UTC()
	details := []string{"here " + now.Format(time.RFC3339), "domain " + now.Add(sys.skew).Format(time.RFC3339)}
	word := "behind"
	if sys.skew < 0 {
		word = "ahead of"
	}
	message := fmt.Sprintf("This machine's clock is %s %s the domain's.", sys.skew.Abs().Round(5*time.Second), word)
	const hint = "Set this machine's clock, best by NTP; in a virtual machine or WSL, restart it after sleep."
	switch {
	case sys.skew.Abs() >= skewFailure:
		return fail(problem.Config, message, hint, details...)
	case sys.skew.Abs() >= skewWarning:
		return warn(message, hint, details...)
	}
	return ok("in step with the domain's, within a few seconds", details...)
}

func checkApplication(ctx context.Context, sys *system) Finding {
	if err := sys.domain.ProbeApplication(ctx); err != nil {
		return failWith(sys, err)
	}
	sys.known = true
	if sys.config.Proof().None() {
		return ok("the domain knows the client")
	}
	return ok("the domain knows the client and its " + strings.TrimPrefix(sys.config.Proof().Name(), "client "))
}

// checkAuthorization requests the sign-in page: the domain answers with an error page if the
// redirect URL or the scope is wrong.
func checkAuthorization(ctx context.Context, sys *system) Finding {
	details := []string{"scope " + sys.config.Scope}
	for _, redirectURI := range sys.config.RedirectURIs {
		err := sys.domain.ProbeAuthorization(ctx, redirectURI)
		if err == nil {
			details = append(details, "redirect "+redirectURI)
			continue
		}
		if sys.known && problem.Is(err, problem.Config) && strings.Contains(err.Error(), "error page") {
			// The domain knows the client, so the redirect URL must be wrong.
			return fail(problem.Config, "The redirect URL "+redirectURI+" is not registered with the application.",
				`Register it in the application letter for letter, with "Allow non-HTTPS URLs" on, or write the registered one as redirect_uri.`)
		}
		return failWith(sys, err, details...)
	}
	return ok("the domain would show its sign-in page", details...)
}

// checkRefresh checks the three settings that a refresh token needs, as far as the domain
// reveals them.
func checkRefresh(ctx context.Context, sys *system) Finding {
	switch {
	case sys.config.AuthMethod.Unattended():
		return ok("not needed: the application gets a new token by itself")
	case !strings.Contains(" "+sys.config.Scope+" ", " offline_access "):
		return warn(sys.config.ScopeKey()+" lacks offline_access: the session ends with its access token, usually after an hour.",
			"Add offline_access to "+sys.config.ScopeKey()+", then sign in again.")
	case !sys.saved.Access.Empty() && sys.saved.Refresh.Empty():
		return sys.withoutRefreshToken(ctx)
	}
	if why := sys.unmet(aDomain, anApplication); why != "" {
		return skip(why)
	}
	if err := sys.domain.ProbeRefresh(ctx); err != nil {
		found := failWith(sys, err)
		if problem.Is(err, problem.Config) {
			found.Message = "The application may not refresh: its Refresh token grant is off."
			found.Hint = "Allow the grant type Refresh token in the application's OAuth configuration, then sign in again."
			found.State = Warning
		}
		return found
	}
	if sys.saved.Refresh.Empty() {
		return ok("the application may refresh")
	}
	return ok("there is a refresh token")
}

// withoutRefreshToken says why a session may have no refresh token.
func (sys *system) withoutRefreshToken(ctx context.Context) Finding {
	const message = "The domain gave no refresh token: the session ends with its access token."
	if sys.known && sys.domain.ProbeRefresh(ctx) != nil {
		return warn(message, "Allow the grant type Refresh token in the application's OAuth configuration, then sign in again.")
	}
	return warn(message, `Switch on "Allow token refresh" of the endpoint's resource application, then sign in again.`, oidc.RefreshSwitches)
}

func checkDevice(ctx context.Context, sys *system) Finding {
	err := sys.domain.ProbeDevice(ctx)
	if err == nil {
		return ok("the domain gives codes for signing in on another device")
	}
	found := failWith(sys, err)
	if sys.config.AuthMethod != config.MobileApp && !problem.From(err).Retryable {
		found.State = Warning // other applications sign in with the browser first
	}
	return found
}
