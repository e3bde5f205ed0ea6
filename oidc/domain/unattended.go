package domain

import (
	"context"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// ClientCredentials gets a token for the application itself (RFC 6749, 4.4). It
// uses nothing up, so that it may be repeated.
func (d *Domain) ClientCredentials(ctx context.Context) (store.Tokens, Outcome, error) {
	m, err := d.discover(ctx)
	if err != nil {
		return store.Tokens{}, Outcome{}, err
	}
	client, err := d.client(m.endpoints())
	if err != nil {
		return store.Tokens{}, Outcome{}, err
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
		return store.Tokens{}, outcome, p
	}
	tokens, err := d.received(answer, m.endpoints())
	if err != nil {
		return store.Tokens{}, Outcome{Sent: true}, err
	}
	if tokens.Subject == "" {
		tokens.Subject = client.ClientID
	}
	return tokens, Outcome{}, nil
}
