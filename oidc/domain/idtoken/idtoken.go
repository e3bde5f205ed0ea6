// Package idtoken checks ID tokens (OpenID Connect Core 1.0, 3.1.3.7): what they claim, and
// their signature where the configuration wants that. It asks nobody.
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

// Claims are those of an ID token that are checked, and who it is about. An
// access token of Oracle's is a JWT too and has some of them.
type Claims struct {
	Issuer   string
	Subject  string
	Audience []string // one or several (RFC 7519, 4.1.3)
	Party    string
	Expiry   Seconds
	Nonce    string
	AuthTime *float64 // seconds since 1970
	Hash     string
	Name     string
	Scope    string

	unusable []string // Claims of a type that nothing can be made of
}

// Seconds is a time in seconds since 1970, whole or not (RFC 7519, 2).
type Seconds float64

func (s Seconds) Time() time.Time {
	const year9999 = 253402300799
	return time.Unix(int64(max(0, min(s, year9999))), 0)
}

// Person is who a token is about, in words.
func (c Claims) Person() string {
	if c.Subject != "" {
		return lenient.Printable(c.Subject, 200)
	}
	return lenient.Printable(c.Name, 200)
}

var errNotJWT = errors.New("not a JSON Web Token")

// Parse reads the Claims of a signed token without checking its signature.
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
	// What follows is not checked.
	c.Name, c.Scope = m.Loose("user_displayname"), strings.Join(m.List("scope"), " ")
	return c, nil
}

// Expected is what the ID token of an answer must say.
type Expected struct {
	ClientID string
	Issuer   string    // "" for any
	Nonce    string    // "" for the device flow, whose ID token has none
	Required bool      // there must be an ID token
	Now      time.Time // by the domain's clock
}

// Check applies OpenID Connect Core 3.1.3.7 to the ID token that came with an access
// token, and returns who signed in.
//
// The signature is not checked (step 6 allows that for an answer straight from
// the token endpoint over TLS): by default Oracle's domains do not publish their
// keys. The issuer is compared with the one that the domain's own discovery
// document names, because Oracle's is shared by all domains.
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
	case e.Issuer != "" && c.Issuer != e.Issuer:
		return "", Refused("another issuer made it")
	case !slices.Contains(c.Audience, e.ClientID):
		return "", Refused("it is for another application")
	case c.Party != "" && c.Party != e.ClientID, c.Party == "" && slices.ContainsFunc(c.Audience, others):
		return "", Refused("another application asked for it")
	case e.Now.Add(-clockTolerance).After(c.Expiry.Time()):
		return "", Refused("it has expired; the clocks may differ")
	case e.Nonce != "" && c.Nonce != e.Nonce:
		return "", Refused("it belongs to another sign-in")
	case c.Hash != "" && !hashes(raw, c.Hash, access):
		return "", Refused("it belongs to another access token")
	case c.Subject == "":
		return "", Refused("it does not tell who signed in")
	}
	return c.Person(), nil
}

// CheckAge checks that the person entered their password at oldest or later, by the
// domain's clock (OpenID Connect Core 1.0, 3.1.2.1).
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

// CheckSamePerson applies OpenID Connect Core 12.2 to the ID token of a refresh,
// if there is a readable one. subject is who signed in, "" if that is not known.
func CheckSamePerson(raw, subject string) error {
	c, err := Parse(raw)
	if err != nil || subject == "" || c.Subject == "" || c.Person() == subject {
		return nil
	}
	return Refused("it is about another person")
}

// hashes reports whether an ID token's at_hash is that of the access token (OpenID
// Connect Core 3.1.3.6): the left half of its hash, by the ID token's algorithm.
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
