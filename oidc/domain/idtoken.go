package domain

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
)

// clockTolerance is how far two clocks may differ before a claim is refused.
const clockTolerance = 5 * time.Minute

// claims are those of an ID token that are checked, and who it is about. An
// access token of Oracle's is a JWT too and has some of them.
type claims struct {
	Issuer   string
	Subject  string
	Audience []string // one or several (RFC 7519, 4.1.3)
	Party    string
	Expiry   seconds
	Nonce    string
	AuthTime *float64 // seconds since 1970
	Hash     string
	Name     string
	Scope    string

	unusable []string // claims of a type that nothing can be made of
}

// seconds is a time in seconds since 1970, whole or not (RFC 7519, 2).
type seconds float64

func (s seconds) time() time.Time {
	const year9999 = 253402300799
	return time.Unix(int64(max(0, min(s, year9999))), 0)
}

// person is who a token is about, in words.
func (c claims) person() string {
	if c.Subject != "" {
		return Printable(c.Subject, 200)
	}
	return Printable(c.Name, 200)
}

var errNotJWT = errors.New("not a JSON Web Token")

// parseClaims reads the claims of a signed token without checking its signature.
func parseClaims(token string) (claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, errNotJWT
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims{}, errNotJWT
	}
	m, err := readMembers(payload)
	if err != nil {
		return claims{}, errNotJWT
	}
	c := claims{
		Issuer: m.loose("iss"), Subject: m.loose("sub"), Audience: m.list("aud"), Party: m.loose("azp"),
		Nonce: m.loose("nonce"), Hash: m.loose("at_hash"),
	}
	if expiry, ok := m.number("exp"); ok {
		c.Expiry = seconds(expiry)
	}
	if at, ok := m.number("auth_time"); ok {
		c.AuthTime = &at
	}
	c.unusable = m.unusable
	// What follows is not checked.
	c.Name, c.Scope = m.loose("user_displayname"), strings.Join(m.list("scope"), " ")
	return c, nil
}

// checkIDToken applies OpenID Connect Core 3.1.3.7 to the ID token of an answer
// and returns who signed in. nonce is "" for the device flow, whose answer has
// none, and which may bring no ID token at all.
//
// The signature is not checked (step 6 allows that for an answer straight from
// the token endpoint over TLS): by default Oracle's domains do not publish their
// keys. The issuer is compared with the one that the domain's own discovery
// document names, because Oracle's is shared by all domains.
func (d *Domain) checkIDToken(a answer, issuer, nonce string) (subject string, err error) {
	if a.ID == "" && nonce != "" && slices.Contains(strings.Fields(d.config.Scope), "openid") {
		return "", badIDToken("there is none, although scope asks for openid")
	}
	if a.ID == "" {
		return "", nil
	}
	c, err := parseClaims(a.ID)
	if err != nil {
		return "", badIDToken("it is not a JSON Web Token")
	}
	domainNow := time.Now().Add(d.ClockSkew())
	others := func(one string) bool { return one != d.config.ClientID && one != c.Issuer }
	switch {
	case len(c.unusable) > 0:
		return "", badIDToken("its " + strings.Join(c.unusable, ", ") + " cannot be read")
	case issuer != "" && c.Issuer != issuer:
		return "", badIDToken("another issuer made it")
	case !slices.Contains(c.Audience, d.config.ClientID):
		return "", badIDToken("it is for another application")
	case c.Party != "" && c.Party != d.config.ClientID, c.Party == "" && slices.ContainsFunc(c.Audience, others):
		return "", badIDToken("another application asked for it")
	case domainNow.Add(-clockTolerance).After(c.Expiry.time()):
		return "", badIDToken("it has expired; the clocks may differ")
	case nonce != "" && c.Nonce != nonce:
		return "", badIDToken("it belongs to another sign-in")
	case c.Hash != "" && !hashes(a.ID, c.Hash, a.Access):
		return "", badIDToken("it belongs to another access token")
	case c.Subject == "":
		return "", badIDToken("it does not tell who signed in")
	}
	return c.person(), nil
}

// checkAge checks that the person was asked for their password no longer than
// max_age before the sign-in began (OpenID Connect Core 1.0, 3.1.2.1).
func (d *Domain) checkAge(a answer, asked time.Time) error {
	if d.config.MaxAge == nil {
		return nil
	}
	const clocksApart = 10 * time.Second
	c, err := parseClaims(a.ID)
	if err != nil || c.AuthTime == nil {
		return badIDToken("it does not tell when you entered your password, which max_age needs")
	}
	oldest := asked.Add(d.ClockSkew()).Add(-time.Duration(*d.config.MaxAge)*time.Second - clocksApart)
	if *c.AuthTime < float64(oldest.Unix()) {
		return problem.New(problem.LoginDenied, "You entered your password longer ago than max_age allows, and the domain did not ask for it again.",
			`Sign out on the domain's own page and sign in again, or set prompt to "login".`)
	}
	return nil
}

// checkSamePerson applies OpenID Connect Core 12.2 to the ID token of a refresh,
// if there is a readable one. subject is who signed in, "" if that is not known.
func (d *Domain) checkSamePerson(a answer, subject string) error {
	c, err := parseClaims(a.ID)
	if err != nil || subject == "" || c.Subject == "" || c.person() == subject {
		return nil
	}
	return badIDToken("it is about another person")
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

func badIDToken(why string) *problem.Problem {
	return problem.New(problem.Domain, "The domain's ID token is not accepted: "+why+".",
		"Check domain_url and client_id, then sign in again; if it stays, ask your administrator.")
}
