// Package idtoken checks the claims of ID tokens (OpenID Connect Core 1.0, 3.1.3.7) and,
// if the caller has the domain's keys, their signatures. It sends no requests.
package idtoken

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
)

// clockTolerance is how far two clocks may differ before a claim is refused.
const clockTolerance = 5 * time.Minute

// Claims are the claims of an ID token that are checked or shown. Access tokens of Oracle's
// domains are JWTs too and have some of them. A missing claim is the zero value.
type Claims struct {
	Issuer   string        // iss
	Subject  string        // sub
	Audience []string      // aud, one or several (RFC 7519, 4.1.3)
	Party    string        // azp
	Expiry   Seconds       // exp
	Nonce    string        // nonce
	AuthTime *float64      // auth_time, in seconds since 1970; nil if missing
	Hash     string        // at_hash
	Name     string        // user_displayname, which is Oracle's
	Scope    string        // scope, separated by spaces
	Lifetime time.Duration // exp - iat; 0 if one is missing
	SignOn   Seconds       // session_exp, which is Oracle's: the end of the single sign-on session

	unusable []string // names of the claims with a type that cannot be read
}

// Seconds is a NumericDate: a time in seconds since 1970, with or without a fraction (RFC
// 7519, 2).
type Seconds float64

// Time returns s as a time between 1970 and the year 9999, without the fraction.
func (s Seconds) Time() time.Time {
	const year9999 = 253402300799
	return time.Unix(int64(max(0, min(s, year9999))), 0)
}

// Person returns the subject of the token, or the name if it has none. It is safe to show.
func (c Claims) Person() string {
	if c.Subject != "" {
		return lenient.Printable(c.Subject, 200)
	}
	return lenient.Printable(c.Name, 200)
}

var errNotJWT = errors.New("not a JSON Web Token")

// Parse reads the claims of a signed JWT without verifying its signature.
func Parse(token string) (Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Claims{}, errNotJWT
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return Claims{}, errNotJWT
	}
	m, err := lenient.Read(payload)
	if err != nil {
		return Claims{}, errNotJWT
	}
	c := Claims{
		Issuer: m.Loose("iss"), Subject: m.Loose("sub"), Audience: m.List("aud"), Party: m.Loose("azp"),
		Nonce: m.Loose("nonce"), Hash: m.Loose("at_hash"),
	}
	if expiry, ok := m.Number("exp"); ok {
		c.Expiry = Seconds(expiry)
	}
	if at, ok := m.Number("auth_time"); ok {
		c.AuthTime = &at
	}
	c.unusable = m.Unusable
	// These are not checked, so a wrong type does not matter.
	if issued, ok := m.Number("iat"); ok && c.Expiry > 0 {
		c.Lifetime = c.Expiry.Time().Sub(Seconds(issued).Time())
	}
	c.Name, c.Scope = m.Loose("user_displayname"), strings.Join(m.List("scope"), " ")
	signOn, _ := m.Number("session_exp")
	c.SignOn = Seconds(signOn)
	return c, nil
}

// Expected is what an ID token is checked against.
type Expected struct {
	ClientID string
	Issuer   string    // "" accepts any issuer
	Nonce    string    // "" in the device flow, whose ID token has none
	Required bool      // a missing ID token is an error
	Now      time.Time // by the domain's clock
}

// Check applies OpenID Connect Core 1.0, 3.1.3.7 to the ID token that came with an access
// token, and returns the person who signed in, or "" if there is no ID token. Its error is
// a problem of kind Domain.
//
// The signature is not checked: step 6 allows that for a response directly from the token
// endpoint over TLS, and Oracle's domains do not publish their keys by default. The issuer
// is compared with the one in the discovery document and not with domain_url, because all
// of Oracle's domains share one issuer.
func (e Expected) Check(raw, access string) (subject string, err error) {
	if raw == "" && e.Required {
		return "", Refused("there is none, although scope asks for openid")
	}
	if raw == "" {
		return "", nil
	}
	c, err := Parse(raw)
	if err != nil {
		return "", Refused("it is not a JSON Web Token")
	}
	others := func(one string) bool { return one != e.ClientID && one != c.Issuer }
	switch {
	case len(c.unusable) > 0:
		return "", Refused("its " + strings.Join(c.unusable, ", ") + " cannot be read")
	case e.Issuer != "" && c.Issuer == "":
		return "", Refused("it has no iss")
	case e.Issuer != "" && c.Issuer != e.Issuer:
		return "", Refused("another issuer made it")
	case len(c.Audience) == 0:
		return "", Refused("it has no aud")
	case !slices.Contains(c.Audience, e.ClientID):
		return "", Refused("it is for another application")
	case c.Party != "" && c.Party != e.ClientID, c.Party == "" && slices.ContainsFunc(c.Audience, others):
		return "", Refused("another application asked for it")
	case c.Expiry == 0:
		return "", Refused("it has no exp")
	case e.Now.Add(-clockTolerance).After(c.Expiry.Time()):
		return "", Refused("it has expired; the clocks may differ")
	case e.Nonce != "" && c.Nonce == "":
		return "", Refused("it has no nonce")
	case e.Nonce != "" && c.Nonce != e.Nonce:
		return "", Refused("it belongs to another sign-in")
	case c.Hash != "" && !hashes(raw, c.Hash, access):
		return "", Refused("it belongs to another access token")
	case c.Subject == "":
		return "", Refused("it does not tell who signed in")
	}
	return c.Person(), nil
}

// CheckAge checks that the person entered their password (auth_time) not before oldest, by
// the domain's clock (max_age in OpenID Connect Core 1.0, 3.1.2.1).
func CheckAge(raw string, oldest time.Time) error {
	c, err := Parse(raw)
	if err != nil || c.AuthTime == nil {
		return Refused("it does not tell when you entered your password, which max_age needs")
	}
	if *c.AuthTime < float64(oldest.Unix()) {
		return problem.New(problem.LoginDenied, "You entered your password longer ago than max_age allows, and the domain did not ask for it again.",
			`Sign out on the domain's own page and sign in again, or set prompt to "login".`)
	}
	return nil
}

// CheckSamePerson checks that the ID token of a refresh has the same subject as the one of
// the sign-in (OpenID Connect Core 1.0, 12.2). It returns nil if there is no ID token, if
// it cannot be read, or if subject, the person who signed in, is "".
func CheckSamePerson(raw, subject string) error {
	c, err := Parse(raw)
	if err != nil || subject == "" || c.Subject == "" || c.Person() == subject {
		return nil
	}
	return Refused("it is about another person")
}

// hashes reports whether hash, an ID token's at_hash, belongs to the access token (OpenID
// Connect Core 1.0, 3.1.3.6): it must be the left half of the access token's hash, whose
// algorithm is the one of the ID token's signature.
func hashes(idToken, hash, access string) bool {
	header, _, _ := strings.Cut(idToken, ".")
	text, _ := base64.RawURLEncoding.DecodeString(header)
	var h struct {
		Algorithm string `json:"alg"`
	}
	_ = json.Unmarshal(text, &h)
	var sum []byte
	switch {
	case strings.HasSuffix(h.Algorithm, "256"):
		whole := sha256.Sum256([]byte(access))
		sum = whole[:]
	case strings.HasSuffix(h.Algorithm, "384"):
		whole := sha512.Sum384([]byte(access))
		sum = whole[:]
	case strings.HasSuffix(h.Algorithm, "512"), h.Algorithm == "EdDSA":
		whole := sha512.Sum512([]byte(access))
		sum = whole[:]
	default:
		return false
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]) == hash
}

// Refused is the problem of an ID token that is not accepted.
func Refused(why string) *problem.Problem {
	return problem.New(problem.Domain, "The domain's ID token is not accepted: "+why+".",
		"Check domain_url and client_id, then sign in again; if it stays, ask your administrator.")
}
