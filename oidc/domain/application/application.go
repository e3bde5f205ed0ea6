// Package application authenticates an application at its domain (RFC 6749, 2.3): with a
// client secret, or with assertions that a private key signs (RFC 7523).
package application

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
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
)

// A Client is the registered application. Its oauth2.Config only holds parameters, no
// secret, and sends no request, because x/oauth2 supports neither private keys nor
// repeated parameters, finds out how a domain takes the secret by sending a one-time code
// twice, and discards valid tokens if expires_in is malformed.
type Client struct {
	oauth2.Config
	Secret   secret.Text          // empty for a public client or with Key
	InForm   bool                 // send the secret in the form (client_secret_post), not by HTTP Basic
	Key      *rsa.PrivateKey      // signs assertions (private_key_jwt); nil with a secret
	KeyID    string               // kid of the assertions; may be ""
	Audience []string             // aud of the assertions
	Clock    func() time.Duration // how far the domain's clock is ahead of this machine's
}

// Prove adds the client authentication (RFC 6749, 2.3) to a form and its header. A public
// client has only client_id.
func (c *Client) Prove(form url.Values, header http.Header) error {
	form.Set("client_id", c.ClientID)
	switch {
	case c.Key != nil:
		assertion, err := c.Assertion()
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		return err
	case c.Secret.Empty():
	case c.InForm:
		form.Set("client_secret", c.Secret.Reveal())
	default:
		form.Del("client_id")
		pair := url.QueryEscape(c.ClientID) + ":" + url.QueryEscape(c.Secret.Reveal())
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return nil
}

// AssertionLife is the lifetime of a client assertion. It is short, because an assertion is
// for one request.
const AssertionLife = 2 * time.Minute

// Assertion returns a new signed client assertion (RFC 7523, 2.2 and 3). Its times are by
// the domain's clock.
func (c *Client) Assertion() (string, error) {
	now := time.Now().Add(c.Clock())
	key := jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: c.Key, KeyID: c.KeyID}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": c.ClientID, "sub": c.ClientID, "aud": c.Audience, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(AssertionLife).Unix(),
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

// privateKeyBlock returns the first private key in a PEM text, else its first block, else
// nil. A certificate may precede the key. A text from an environment variable may be a
// single line, with the two characters \n or a space in place of each line break.
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

// ParseKey reads an RSA private key of at least 2048 bits in PEM (PKCS#1 or PKCS#8). Its
// error is a problem of kind Config.
func ParseKey(text secret.Text) (*rsa.PrivateKey, error) {
	bad := func(what string) *problem.Problem {
		return problem.New(problem.Config, "The client key is not usable: "+what+".",
			"Put a PEM-encoded RSA private key (2048 bits or more) where client_key says, for example one made by openssl genrsa.")
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
		return nil, bad("it is a " + strings.ToLower(lenient.Printable(block.Type, 40)) + " and not a private key")
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
