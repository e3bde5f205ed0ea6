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
func checkRedirectPort(ctx context.Context, sys *system) Finding {
	var free, taken []string
	for _, redirectURI := range sys.config.RedirectURIs {
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
	found := failWith(sys, signin.CheckListener(sys.config.RedirectURIs), taken...)
	if sys.config.AuthMethod == config.MobileApp {
		found.State = Warning // a mobile_app signs in with a device code
	}
	return found
}

// checkSession gets a valid token, as a request does.
func checkSession(ctx context.Context, sys *system) Finding {
	session, err := oidc.NewSession(*sys.config, sys.Places, sys.Log)
	if err != nil {
		return failWith(sys, err)
	}
	defer session.Close()
	token, err := session.Token(ctx, "")
	if problem.Is(err, problem.LoginRequired) && sys.saved.Empty() && sys.config.Session != "" {
		return warn("You are not signed in for "+endpoint.Named(sys.config.Others)+".",
			fmt.Sprintf(`If you use it, run "oci-oidc-helper connect --endpoint %s", or /connect in OpenCode.`, sys.config.Session))
	}
	if problem.Is(err, problem.LoginRequired) && sys.saved.Empty() {
		return fail(problem.LoginRequired, "You are not signed in.", `Run "oci-oidc-helper connect", or /connect in OpenCode.`)
	}
	if err != nil {
		return failWith(sys, err)
	}
	sys.token = &token
	status := session.Status()
	message := "signed in"
	if status.Subject != "" {
		message += " as " + status.Subject
	}
	return ok(fmt.Sprintf("%s, the token is valid for %s", message, time.Until(token.ExpiresAt).Round(time.Second)))
}
