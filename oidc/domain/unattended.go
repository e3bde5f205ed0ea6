package domain

import (
	"context"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// ClientCredentials requests a token for the application itself (RFC 6749, 4.4). The
// request uses up no token, so it may be repeated.
func (d *Domain) ClientCredentials(ctx context.Context) (tokens.Tokens, Outcome, error) {
	m, client, err := d.discoverClient(ctx)
	if err != nil {
		return tokens.Tokens{}, Outcome{}, err
	}
	form := d.newSessionParams()
	form.Set("grant_type", "client_credentials")
	if d.config.Scope != "" {
		form.Set("scope", d.config.Scope)
	}
	x := d.post(ctx, m.Token, client, form)
	answer, err := d.readAnswer(x)
	if err != nil {
		outcome := Outcome{Sent: x.Sent.Load(), RetryAfter: x.RetryAfter()}
		p := d.fault("get a token for the application", x, err)
		if p.Kind == problem.LoginRequired { // there is no person who could sign in
			p.Kind, p.Hint = problem.Domain, "Check that the application has the Client Credentials grant; if it has, ask your administrator."
		}
		return tokens.Tokens{}, outcome, p
	}
	tok, err := d.newTokens(answer, m.Endpoints())
	if err != nil {
		return tokens.Tokens{}, Outcome{Sent: true}, err
	}
	tok.End = tokens.End{} // nobody has to sign in again
	if tok.Subject == "" {
		tok.Subject = client.ClientID
	}
	return tok, Outcome{}, nil
}
