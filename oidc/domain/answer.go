package domain

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	// defaultLifetime is assumed of an access token where neither the answer nor the
	// token itself says how long it lives.
	defaultLifetime = 5 * time.Minute
	// longestLifetime is the longest that is believed.
	longestLifetime = 366 * 24 * time.Hour
	// maxTokenSize is the longest token that is taken, in bytes. One that is used
	// goes into a header of a request, and most servers take 8 KiB of them.
	maxTokenSize = 64 << 10
)

// An answer is what a domain says to a request for tokens (RFC 6749, 5.1).
type answer struct {
	Access, Refresh, ID string
	Type                string
	Lifetime            time.Duration // of the access token; 0 where the answer does not tell
}

// A refusal is an error answer (RFC 6749, 5.2; RFC 8628, 3.5).
type refusal struct{ code, description string }

func (r *refusal) Error() string { return "refused: " + r.code }

// refusalOf returns the error that an answer names. Its code is one of a few words, so that
// it is known however it is written.
func refusalOf(m *lenient.Object) refusal {
	code := strings.TrimSpace(m.Single("error"))
	if code == "" {
		code = strings.TrimSpace(m.Object("error").Single("error"))
	}
	if lower := strings.ToLower(code); codeProblem(lower, "", "").Kind != problem.Domain {
		code = lower
	}
	return refusal{code, m.Text("error_description")}
}

// errNoTokens is the error of an answer that says success and holds no access token.
var errNoTokens = errors.New("no access token")

// readAnswer reads a token answer. What is odd in it is logged by name. Tokens that
// came are returned with an error, too: at a refresh the token before is used up.
func (d *Domain) readAnswer(x *exchange.Exchange) (answer, error) {
	m, malformed := lenient.Read(x.Body)
	a := answer{
		Access: m.Text("access_token"), Refresh: m.Text("refresh_token"), ID: m.Text("id_token"), Type: m.Text("token_type"),
		Lifetime: m.Seconds("expires_in", longestLifetime),
	}
	refused := refusalOf(m)
	if len(m.Odd) > 0 || malformed != nil && a.Access+a.Refresh != "" {
		d.log.Warn("the domain's answer is odd", "members", m.Odd, "malformed", malformed)
	}
	if x.Status/100 != 2 {
		a = answer{} // which might be an echo
	}
	switch {
	case x.Err != nil:
		return a, x.Err
	case x.Status/100 != 2, refused.code != "":
		return a, &refused
	case malformed != nil:
		return a, malformed
	case a.Access == "":
		return a, errNoTokens
	}
	return a, nil
}

// received turns the answer to a sign-in into tokens.
func (d *Domain) received(a answer, endpoints tokens.Endpoints) (tokens.Tokens, error) {
	switch {
	case a.Type != "" && !strings.EqualFold(a.Type, "Bearer"):
		return tokens.Tokens{}, unusable("its type is " + lenient.Printable(a.Type, 40) + ", not Bearer")
	case !tokenText(a.Access), a.Refresh != "" && !tokenText(a.Refresh):
		return tokens.Tokens{}, unusable("it is too long, or has characters that no token has")
	}
	tok := tokens.Tokens{Refresh: secret.New(a.Refresh), Endpoints: endpoints}
	d.setAccess(&tok, a)
	return tok, nil
}

// renewed turns the answer to a refresh into tokens: what came takes the place of
// what was, and the rest stays. The old refresh token may be used up, so that nothing
// usable is thrown away for what is odd beside it.
func (d *Domain) renewed(old tokens.Tokens, a answer, endpoints tokens.Endpoints) (tokens.Tokens, error) {
	tok := old
	tok.Endpoints, tok.RefreshSentAt, tok.RetryAt = endpoints, time.Time{}, time.Time{}
	if a.Type != "" && !strings.EqualFold(a.Type, "Bearer") {
		d.log.Warn("the domain's answer is odd", "members", []string{"token_type"})
	}
	if tokenText(a.Refresh) {
		tok.Refresh = secret.New(a.Refresh)
	}
	if !tokenText(a.Access) {
		return tok, unusable("there is none, it is too long, or has characters that no token has")
	}
	d.setAccess(&tok, a)
	return tok, nil
}

// setAccess sets the access token and what is known of it. The expiry counts from
// now, because the domain's clock may differ from ours.
func (d *Domain) setAccess(tok *tokens.Tokens, a answer) {
	now := time.Now().Round(0) // the wall clock alone: a monotonic one stands still in sleep
	claims, err := idtoken.Parse(a.Access)
	lifetime := a.Lifetime
	if lifetime == 0 && err == nil {
		lifetime = claims.Expiry.Time().Sub(now.Add(d.ClockSkew())).Truncate(time.Second)
	}
	if lifetime <= 0 || lifetime > longestLifetime {
		lifetime = defaultLifetime
	}
	if a.Lifetime == 0 {
		d.log.Warn("the domain did not tell how long its token lives", "assumed", lifetime)
	}
	tok.Access, tok.Type = secret.New(a.Access), "Bearer"
	tok.IssuedAt, tok.ExpiresAt = now, now.Add(lifetime)
	if err == nil && tok.Subject == "" {
		tok.Subject = claims.Person()
	}
}

// tokenText reports whether text can be a token: visible ASCII (RFC 6749, A.12
// and A.17), so that nothing in it ends a header (RFC 6750, 2.1).
func tokenText(text string) bool {
	return text != "" && len(text) <= maxTokenSize && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func unusable(why string) *problem.Problem {
	return problem.New(problem.Domain, fmt.Sprintf("The domain's token cannot be used: %s.", why),
		"Check domain_url; if it is right, ask your administrator.")
}
