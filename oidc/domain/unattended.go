package domain

import (
	"context"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// ClientCredentials gets a token for the application itself (RFC 6749, 4.4). It
// uses nothing up, so that it may be repeated.
func (d *Domain) ClientCredentials(ctx context.Context) (tokens.Tokens, Outcome, error) {
	m, err := d.discover(ctx)
	if err != nil {
		return tokens.Tokens{}, Outcome{}, err
	}
	client, err := d.client(m.endpoints())
	if err != nil {
		return tokens.Tokens{}, Outcome{}, err
	}
	ctx, x := d.exchangeAs(ctx, client, d.beginning())
	grant := clientcredentials.Config{
		ClientID: client.ClientID, TokenURL: m.Token, Scopes: strings.Fields(d.config.Scope), AuthStyle: oauth2.AuthStyleInParams,
	}
	answer, err := grant.Token(ctx)
	d.learnClock(x)
	if err != nil {
		outcome := Outcome{Sent: x.sent.Load(), RetryAfter: x.retryAfter()}
		p := d.fault("get a token for the application", x, err)
		if p.Kind == problem.LoginRequired { // nobody could sign in
			p.Kind, p.Hint = problem.Domain, "Check that the application has the Client Credentials grant; if it has, ask your administrator."
		}
		return tokens.Tokens{}, outcome, p
	}
	tok, err := d.received(answer, m.endpoints())
	if err != nil {
		return tokens.Tokens{}, Outcome{Sent: true}, err
	}
	if tok.Subject == "" {
		tok.Subject = client.ClientID
	}
	return tok, Outcome{}, nil
}
