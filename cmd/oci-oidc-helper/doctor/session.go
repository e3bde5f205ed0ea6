package doctor

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// checkRedirectPort tries to listen where a sign-in would, and says who does.
func checkRedirectPort(ctx context.Context, p *patient) Finding {
	if p.config == nil {
		return skip(noConfiguration)
	}
	err := oidc.CheckListener(p.config.RedirectURI)
	if err == nil {
		return ok(p.config.RedirectURI + " is free")
	}
	found := failWith(p, err)
	if u, err := url.Parse(p.config.RedirectURI); err == nil {
		if who := holder(ctx, u.Port()); who != "" {
			found.Details = append(found.Details, "held by "+who)
		}
	}
	if p.config.AuthMethod == store.MobileApp {
		found.State = Warning // it signs in with a code
	}
	return found
}

// checkSession does what a request does: it wants a valid token.
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
