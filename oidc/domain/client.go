package domain

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/go-jose/go-jose/v4"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A client is the registered application as it asks the domain. The oauth2.Config
// in it knows no secret and sends nothing: x/oauth2 knows neither keys nor repeated
// parameters, would find out the way of a secret by sending a one-time code twice, and
// throws good tokens away for an odd lifetime beside them.
type client struct {
	oauth2.Config
	secret   secret.Text // empty without one
	inForm   bool        // the secret is sent in the form, not by HTTP Basic
	key      *rsa.PrivateKey
	keyID    string
	audience []string             // of an assertion
	clock    func() time.Duration // how far the domain's is ahead
}

// client returns the application for the given endpoints. Its error is a problem
// of kind Config.
func (d *Domain) client(endpoints tokens.Endpoints) (*client, error) {
	c := &client{
		Config: oauth2.Config{
			ClientID:    d.config.ClientID,
			RedirectURL: d.config.RedirectURIs[0],
			Scopes:      strings.Fields(d.config.Scope),
			Endpoint:    oauth2.Endpoint{TokenURL: endpoints.Token},
		},
		inForm: endpoints.SecretInForm,
		keyID:  d.config.ClientKeyID,
		clock:  d.ClockSkew,
	}
	proof, err := d.config.Proof().Read()
	switch {
	case err != nil:
		return nil, err
	case d.config.ClientKey.None():
		c.secret = proof
	default:
		c.audience = d.assertionAudience(endpoints.Token)
		c.key, err = parseKey(proof)
	}
	return c, err
}

// prove adds what proves the application (RFC 6749, 2.3) to a form and its header.
func (c *client) prove(form url.Values, header http.Header) error {
	form.Set("client_id", c.ClientID)
	switch {
	case c.key != nil:
		assertion, err := c.assertion()
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		return err
	case c.secret.Empty():
	case c.inForm:
		form.Set("client_secret", c.secret.Reveal())
	default:
		form.Del("client_id")
		pair := url.QueryEscape(c.ClientID) + ":" + url.QueryEscape(c.secret.Reveal())
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return nil
}

// assertionLife is short: an assertion is for one request.
const assertionLife = 2 * time.Minute

// assertion returns a new client assertion (RFC 7523, 2.2 and 3), by the domain's
// clock.
func (c *client) assertion() (string, error) {
	now := time.Now().Add(c.clock())
	key := jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: c.key, KeyID: c.keyID}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": c.ClientID, "sub": c.ClientID, "aud": c.audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// assertionAudience is whom an assertion is for. OpenID Connect Core 1.0, 9 wants
// the token endpoint there, Oracle's domains their generic issuer, and newer
// providers the issuer.
func (d *Domain) assertionAudience(token string) []string {
	const generic = "https://identity.oraclecloud.com/"
	audience := []string{token}
	if m := d.metadata.Load(); m != nil && m.Issuer != "" {
		audience = append(audience, m.Issuer)
	}
	if strings.HasSuffix(d.url.Hostname(), ".identity.oraclecloud.com") && !slices.Contains(audience, generic) {
		audience = append(audience, generic)
	}
	return audience
}

// privateKeyBlock returns the private key of a text in PEM, else what else is in it, or
// nil. A key may stand beside its certificate, and a variable's lines may be in one: with
// the two characters \n between them, or with spaces.
func privateKeyBlock(text string) (found *pem.Block) {
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, `\r`, ""), `\n`, "\n")
	}
	if begin, rest, ok := strings.Cut(text, " PRIVATE KEY----- "); ok && !strings.Contains(text, "\n") {
		body, end, _ := strings.Cut(rest, " -----END")
		text = begin + " PRIVATE KEY-----\n" + strings.ReplaceAll(body, " ", "\n") + "\n-----END" + end
	}
	for rest := []byte(text); ; {
		block, more := pem.Decode(rest)
		if block == nil {
			return found
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return block
		}
		found, rest = cmp.Or(found, block), more
	}
}

// parseKey reads an RSA key in PEM (PKCS#1 or PKCS#8).
func parseKey(text secret.Text) (*rsa.PrivateKey, error) {
	bad := func(what string) *problem.Problem {
		return problem.New(problem.Config, "The client key is not usable: "+what+".",
			"Put an RSA private key of 2048 bits or more in PEM form where client_key refers to, such as openssl genrsa writes.")
	}
	block := privateKeyBlock(text.Reveal())
	switch {
	case block == nil:
		return nil, bad("it is not in PEM form")
	case block.Type == "OPENSSH PRIVATE KEY":
		return nil, bad(`it is in the form of OpenSSH; convert a copy of it with "ssh-keygen -p -m PEM -f COPY"`)
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "":
		return nil, bad("it is protected by a passphrase, which nobody could enter")
	case !strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, bad("it is a " + strings.ToLower(Printable(block.Type, 40)) + " and not a private key")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		parsed, errPKCS8 := x509.ParsePKCS8PrivateKey(block.Bytes)
		ok := false
		if key, ok = parsed.(*rsa.PrivateKey); !ok {
			return nil, bad("it is not an RSA key, which RS256 needs").Because(errors.Join(err, errPKCS8))
		}
	}
	if key.N.BitLen() < 2048 {
		return nil, bad("it has " + strconv.Itoa(key.N.BitLen()) + " bits, which is too short for RS256 (RFC 7518, 3.3)")
	}
	return key, nil
}
