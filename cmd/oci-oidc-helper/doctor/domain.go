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

// checkWay connects to the domain and shows each step. The domain's answer is left to the
// next checks.
func checkWay(ctx context.Context, p *patient) Finding {
	if p.config == nil {
		return skip(noConfiguration)
	}
	w := travel(ctx, p.config.Network, p.config.DomainURL+"/.well-known/openid-configuration", nil)
	if w.err != nil {
		return w.trouble()
	}
	p.reach = true
	return ok(w.host+" answers", w.steps()...)
}

func checkDiscovery(ctx context.Context, p *patient) Finding {
	switch {
	case p.config == nil:
		return skip(noConfiguration)
	case !p.reach:
		return skip(noDomain)
	}
	facts, err := p.domain.Facts(ctx)
	if err != nil {
		return failWith(p, err)
	}
	p.facts, p.skew = &facts, p.domain.ClockSkew()
	details := []string{"token endpoint " + facts.Token}
	if facts.Issuer == "" {
		return fail(problem.Domain, p.config.DomainURL+" has no discovery document: it seems to be no identity domain.",
			"Check domain_url: it is the Domain URL on the domain's page in the OCI console.", details...)
	}
	if host := hostOf(facts.Token); !strings.EqualFold(host, hostOf(p.config.DomainURL)) {
		details = append(details, "the domain's endpoints are on another host: "+host)
	}
	return ok("issuer "+facts.Issuer, details...)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func checkClocks(_ context.Context, p *patient) Finding {
	if p.facts == nil {
		return skip(noDomain)
	}
	now := time.Now().UTC()
	details := []string{"here " + now.Format(time.RFC3339), "domain " + now.Add(p.skew).Format(time.RFC3339)}
	word := "behind"
	if p.skew < 0 {
		word = "ahead of"
	}
	message := fmt.Sprintf("This machine's clock is %s %s the domain's.", p.skew.Abs().Round(5*time.Second), word)
	const hint = "Set this machine's clock, best by NTP; in a virtual machine or WSL, restart it after sleep."
	switch {
	case p.skew.Abs() >= skewFailure:
		return fail(problem.Config, message, hint, details...)
	case p.skew.Abs() >= skewWarning:
		return warn(message, hint, details...)
	}
	return ok("in step with the domain's, within a few seconds", details...)
}

func checkApplication(ctx context.Context, p *patient) Finding {
	if p.facts == nil {
		return skip(noDomain)
	}
	if _, err := p.config.Proof().Read(); err != nil {
		return skip("not checked without the " + p.config.Proof().Name())
	}
	if err := p.domain.ProbeApplication(ctx); err != nil {
		return failWith(p, err)
	}
	p.known = true
	if p.config.Proof().None() {
		return ok("the domain knows the client")
	}
	return ok("the domain knows the client and its " + strings.TrimPrefix(p.config.Proof().Name(), "client "))
}

// checkAuthorization requests the sign-in page: the domain answers with an error page if the
// redirect URL or the scope is wrong.
func checkAuthorization(ctx context.Context, p *patient) Finding {
	switch {
	case p.facts == nil:
		return skip(noDomain)
	case p.config.AuthMethod.Unattended():
		return skip(nobodySignsIn)
	}
	if _, err := p.config.Proof().Read(); err != nil {
		return skip("not checked without the " + p.config.Proof().Name())
	}
	details := []string{"scope " + p.config.Scope}
	for _, redirectURI := range p.config.RedirectURIs {
		err := p.domain.ProbeAuthorization(ctx, redirectURI)
		if err == nil {
			details = append(details, "redirect "+redirectURI)
			continue
		}
		if p.known && problem.Is(err, problem.Config) && strings.Contains(err.Error(), "error page") {
			// The domain knows the client, so the redirect URL must be wrong.
			return fail(problem.Config, "The redirect URL "+redirectURI+" is not registered with the application.",
				`Register it in the application letter for letter, with "Allow non-HTTPS URLs" on, or write the registered one as redirect_uri.`)
		}
		return failWith(p, err, details...)
	}
	return ok("the domain would show its sign-in page", details...)
}

// checkRefresh checks the three settings that a refresh token needs, as far as the domain
// reveals them.
func checkRefresh(ctx context.Context, p *patient) Finding {
	switch {
	case p.config == nil:
		return skip(noConfiguration)
	case p.config.AuthMethod.Unattended():
		return ok("not needed: the application gets a new token by itself")
	case !strings.Contains(" "+p.config.Scope+" ", " offline_access "):
		return warn(p.config.ScopeKey()+" lacks offline_access: the session ends with its access token, usually after an hour.",
			"Add offline_access to "+p.config.ScopeKey()+", then sign in again.")
	case !p.saved.Access.Empty() && p.saved.Refresh.Empty():
		return p.withoutRefreshToken(ctx)
	case p.facts == nil:
		return skip(noDomain)
	case !p.known:
		return skip("not checked, since the domain does not accept the application")
	}
	if err := p.domain.ProbeRefresh(ctx); err != nil {
		found := failWith(p, err)
		if problem.Is(err, problem.Config) {
			found.Message = "The application may not refresh: its Refresh token grant is off."
			found.Hint = "Allow the grant type Refresh token in the application's OAuth configuration, then sign in again."
			found.State = Warning
		}
		return found
	}
	if p.saved.Refresh.Empty() {
		return ok("the application may refresh")
	}
	return ok("there is a refresh token")
}

// withoutRefreshToken says why a session may have no refresh token.
func (p *patient) withoutRefreshToken(ctx context.Context) Finding {
	const message = "The domain gave no refresh token: the session ends with its access token."
	if p.known && p.domain.ProbeRefresh(ctx) != nil {
		return warn(message, "Allow the grant type Refresh token in the application's OAuth configuration, then sign in again.")
	}
	return warn(message, `Switch on "Allow token refresh" of the endpoint's resource application, then sign in again.`, oidc.RefreshSwitches)
}

func checkDevice(ctx context.Context, p *patient) Finding {
	switch {
	case p.facts == nil:
		return skip(noDomain)
	case p.config.AuthMethod.Unattended():
		return skip(nobodySignsIn)
	case !p.known:
		return skip("not checked, since the domain does not accept the application")
	}
	err := p.domain.ProbeDevice(ctx)
	if err == nil {
		return ok("the domain gives codes for signing in on another device")
	}
	found := failWith(p, err)
	if p.config.AuthMethod != config.MobileApp && !problem.From(err).Retryable {
		found.State = Warning // other applications sign in with the browser first
	}
	return found
}
