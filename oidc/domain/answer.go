package domain

import (
	"cmp"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
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
	// defaultLifetime is assumed for an access token if neither the answer (expires_in)
	// nor the token itself (exp) says when it expires.
	defaultLifetime = 5 * time.Minute
	// longestLifetime is the longest lifetime that is believed; a longer one is ignored.
	longestLifetime = 366 * 24 * time.Hour
	// maxTokenSize is the longest token that is accepted, in bytes. An access token goes
	// into a request header, and most servers accept headers of at most 8 KiB.
	maxTokenSize = 64 << 10
)

// An answer is a token response (RFC 6749, 5.1).
type answer struct {
	Access, Refresh, ID string
	Type                string        // token_type as sent; "" if missing
	Lifetime            time.Duration // expires_in of the access token; 0 if missing
	RefreshLifetime     time.Duration // of the refresh token; 0 if missing. No standard has it
}

// A refusal is an error response (RFC 6749, 5.2; RFC 8628, 3.5).
type refusal struct{ code, description string }

func (r *refusal) Error() string { return "refused: " + r.code }

// standardCodes are the error codes of RFC 6749, 5.2, RFC 8628, 3.5, and OpenID Connect Core 1.0,
// 3.1.2.6, that have a meaning here.
var standardCodes = []string{
	"invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope", "access_denied", "temporarily_unavailable", "server_error",
	"authorization_pending", "slow_down", "expired_token", "interaction_required", "login_required", "account_selection_required", "consent_required",
}

// refusalOf returns the error code and description of an answer, both "" if it has none.
// Some domains nest the code in an object, or write it in capitals; a standard code is
// returned in lower case.
//
// The code invalid_grant ends a session, so it counts only where it cannot come from a page,
// a proxy's text or another product: in an answer that is an OAuth error object and nothing
// else, or a form that calls itself one. Elsewhere it is part of what the answer says.
//
// A domain that refuses the application's secret answers 401 with a challenge of the scheme
// that it came in, and some say nothing else.
func refusalOf(m *lenient.Object, x *exchange.Exchange) refusal {
	code := strings.TrimSpace(m.Single("error"))
	kind, _, _ := mime.ParseMediaType(x.Header.Get("Content-Type"))
	certain := code != "" && (m.Whole || m.Form && kind == "application/x-www-form-urlencoded")
	inner := &lenient.Object{}
	if code == "" {
		inner = m.Object("error")
		code = strings.TrimSpace(inner.Single("error"))
	}
	others := []string{code}
	if code == "" && x.Status/100 != 2 {
		others = []string{inner.Single("code"), m.Single("code")}
	}
	for _, one := range others {
		if lower := strings.ToLower(strings.TrimSpace(one)); slices.Contains(standardCodes, lower) {
			code = lower
			break
		}
	}
	switch scheme, _, _ := strings.Cut(x.Header.Get("WWW-Authenticate"), " "); {
	case code == "invalid_grant" && !certain:
		code = ""
	case m.Raw["error"] == nil && x.Status == http.StatusUnauthorized && strings.EqualFold(scheme, "Basic"):
		code = "invalid_client"
	}
	return refusal{code, m.Text("error_description")}
}

// errNoTokens means that a successful answer has no access token.
var errNoTokens = errors.New("no access token")

// readAnswer reads a token response. It logs the names of members with a wrong type. If
// it returns an error, the answer may still hold tokens: after a refresh the old refresh
// token is used up, and those are the only ones left.
func (d *Domain) readAnswer(x *exchange.Exchange) (answer, error) {
	m, malformed := lenient.ReadAnswer(x.Body)
	a := answer{
		Access: m.Trimmed("access_token"), Refresh: m.Trimmed("refresh_token"), ID: m.Trimmed("id_token"), Type: m.Trimmed("token_type"),
		Lifetime: m.Seconds("expires_in", longestLifetime),
	}
	for _, name := range []string{"refresh_expires_in", "refresh_token_expires_in"} {
		if string(m.Raw[name]) != "0" { // which stands for no limit
			a.RefreshLifetime = cmp.Or(a.RefreshLifetime, m.Seconds(name, longestLifetime))
		}
	}
	refused := refusalOf(m, x)
	if len(m.Odd) > 0 || malformed != nil && a.Access+a.Refresh != "" {
		d.log.Warn("the domain's answer is odd", "members", m.Odd, "malformed", malformed)
	}
	if x.Status/100 != 2 {
		a = answer{} // tokens in an error response may be an echo of the request
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

// newTokens returns the tokens of a sign-in or a client credentials request. It refuses
// any token type but Bearer.
func (d *Domain) newTokens(a answer, endpoints tokens.Endpoints) (tokens.Tokens, error) {
	switch {
	case a.Type != "" && !strings.EqualFold(a.Type, "Bearer"):
		return tokens.Tokens{}, unusable("its type is " + lenient.Printable(a.Type, 40) + ", not Bearer")
	case !tokenText(a.Access), a.Refresh != "" && !tokenText(a.Refresh):
		return tokens.Tokens{}, unusable("it is too long, or has characters that no token has")
	}
	tok := tokens.Tokens{Refresh: secret.New(a.Refresh), End: d.endOf(a), Endpoints: endpoints}
	d.setAccess(&tok, a)
	return tok, nil
}

// refreshedTokens returns the tokens after a refresh: the old ones, with those in the answer
// replaced. Unlike newTokens it keeps every usable token, whatever is wrong with the rest
// of the answer, because the old refresh token may be used up.
func (d *Domain) refreshedTokens(old tokens.Tokens, a answer, endpoints tokens.Endpoints) (tokens.Tokens, error) {
	tok := old
	tok.Endpoints, tok.RefreshSentAt, tok.RetryAt = endpoints, time.Time{}, time.Time{}
	if a.Type != "" && !strings.EqualFold(a.Type, "Bearer") {
		d.warnOdd("answer", []string{"token_type"})
	}
	if tokenText(a.Refresh) {
		tok.Refresh = secret.New(a.Refresh)
	}
	tok.End = old.End.Then(d.endOf(a), tok.Refresh == old.Refresh)
	if !tokenText(a.Access) {
		return tok, unusable("there is none, it is too long, or has characters that no token has")
	}
	d.setAccess(&tok, a)
	return tok, nil
}

// setAccess sets the access token, its times and, if it is a JWT, the subject. The expiry
// is counted from now, because the domain's clock may differ from ours.
func (d *Domain) setAccess(tok *tokens.Tokens, a answer) {
	now := time.Now().Round(0) // without the monotonic clock, which stops while the machine sleeps
	claims, err := idtoken.Parse(a.Access)
	lifetime := a.Lifetime
	if lifetime == 0 && err == nil {
		lifetime = claims.Expiry.Time().Sub(now.Add(d.ClockSkew())).Truncate(time.Second)
	}
	if lifetime <= 0 || lifetime > longestLifetime {
		lifetime = defaultLifetime
	}
	if 0 < claims.Lifetime && claims.Lifetime < lifetime { // such as milliseconds in expires_in
		d.log.Warn("the domain says that its token lives longer than the token says", "expires_in", lifetime, "lifetime", claims.Lifetime)
		lifetime = claims.Lifetime
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

// endOf returns what an answer says about the end of the session: that of the refresh token,
// else that of the single sign-on session, if it is in the future and can be believed.
func (d *Domain) endOf(a answer) tokens.End {
	now := time.Now().UTC().Round(0)
	if a.RefreshLifetime > 0 && a.Refresh != "" {
		return tokens.End{At: now.Add(a.RefreshLifetime), Of: tokens.RefreshToken, Since: now}
	}
	claims, _ := idtoken.Parse(a.ID)
	if at := claims.SignOn.Time().Add(-d.ClockSkew()).UTC(); at.After(now) && at.Before(now.Add(longestLifetime)) {
		return tokens.End{At: at, Of: tokens.SignOn, Since: now}
	}
	return tokens.End{}
}

// tokenText reports whether text can be a token: visible ASCII (RFC 6749, A.12 and A.17),
// so that it cannot add a line to the Authorization header (RFC 6750, 2.1).
func tokenText(text string) bool {
	return text != "" && len(text) <= maxTokenSize && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// unusable is the problem of a token response whose token cannot be used.
func unusable(why string) *problem.Problem {
	return problem.New(problem.Domain, fmt.Sprintf("The domain's token cannot be used: %s.", why),
		"Check domain_url; if it is right, ask your administrator.")
}
