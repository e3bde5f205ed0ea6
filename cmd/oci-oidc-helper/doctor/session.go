package doctor

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// checkRedirectPort tries to listen on the ports of the redirect URLs. If they are taken, it
// names the program that listens there.
func checkRedirectPort(ctx context.Context, p *patient) Finding {
	switch {
	case p.config == nil:
		return skip(noConfiguration)
	case p.config.AuthMethod.Unattended():
		return skip(nobodySignsIn)
	}
	var free, taken []string
	for _, redirectURI := range p.config.RedirectURIs {
		if signin.CheckListener([]string{redirectURI}) == nil {
			free = append(free, redirectURI)
			continue
		}
		told := redirectURI + " is not free"
		if u, err := url.Parse(redirectURI); err == nil {
			if who := holder(ctx, u.Port()); who != "" {
				told += ", held by " + who
			}
		}
		taken = append(taken, told)
	}
	if len(free) > 0 {
		return ok(strings.Join(free, ", ")+" is free", taken...)
	}
	found := failWith(p, signin.CheckListener(p.config.RedirectURIs), taken...)
	if p.config.AuthMethod == config.MobileApp {
		found.State = Warning // a mobile_app signs in with a device code
	}
	return found
}

// checkSession gets a valid token, as a request does.
func checkSession(ctx context.Context, p *patient) Finding {
	if p.config == nil {
		return skip(noConfiguration)
	}
	session, err := oidc.NewSession(*p.config, p.Places, p.Log)
	if err != nil {
		return failWith(p, err)
	}
	defer session.Close()
	token, err := session.Token(ctx, "")
	if problem.Is(err, problem.LoginRequired) && p.saved.Empty() && p.config.Session != "" {
		return warn("You are not signed in for "+endpoint.Named(p.config.Others)+".",
			fmt.Sprintf(`If you use it, run "oci-oidc-helper connect --endpoint %s", or /connect in OpenCode.`, p.config.Session))
	}
	if problem.Is(err, problem.LoginRequired) && p.saved.Empty() {
		return fail(problem.LoginRequired, "You are not signed in.", `Run "oci-oidc-helper connect", or /connect in OpenCode.`)
	}
	if err != nil {
		return failWith(p, err)
	}
	p.token = &token
	status := session.Status()
	message := "signed in"
	if status.Subject != "" {
		message += " as " + status.Subject
	}
	return ok(fmt.Sprintf("%s, the token is valid for %s", message, time.Until(token.ExpiresAt).Round(time.Second)))
}
