package domaintest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
)

// signingKeyID is the kid of every domain's key, so that a kid alone never tells
// two domains apart.
const signingKeyID = "SIGNING_KEY"

// A joseHeader is the header of a token (RFC 7515, section 4). Its first field
// makes every token start with "eyJ4NXQ"; there is no typ.
type joseHeader struct {
	Thumbprint string `json:"x5t#S256,omitempty"`
	KeyID      string `json:"kid,omitempty"`
	Algorithm  string `json:"alg"`
}

// signingKey returns the key that signs now.
func (s *Server) signingKey() *rsa.PrivateKey { return (*s.key.Load())() }

// RotateSigningKey makes the domain sign with a new key from now on, under the same
// kid. Tokens of the old one are no longer its own.
func (s *Server) RotateSigningKey() {
	key := sync.OnceValue(newSigningKey)
	s.key.Store(&key)
}

// newSigningKey returns a key for RS256.
func newSigningKey() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // the size is a good one and the system's randomness does not fail
	}
	return key
}

// sign returns claims as a signed token (RFC 7515, section 3.1).
func (s *Server) sign(claims any) string {
	key := s.signingKey()
	signed := segment(joseHeader{thumbprint(&key.PublicKey), signingKeyID, "RS256"}) + "." + segment(claims)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err) // the key and the digest fit by construction
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// segment returns value as one part of a token.
func segment(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // headers and claims are made of strings and numbers
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

var errNotSigned = errors.New("the token is not signed with this key")

// verify fills claims from a token that key has signed. It looks at nothing but
// the signature.
func verify(token string, key *rsa.PublicKey, claims any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errNotSigned
	}
	var header joseHeader
	if err := decodeSegment(parts[0], &header); err != nil {
		return err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || header.Algorithm != "RS256" {
		return errNotSigned
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
		return errNotSigned
	}
	return decodeSegment(parts[1], claims)
}

// unverified fills header and claims from a token without looking at its signature:
// to learn whose signature it ought to be.
func unverified(token string, header *joseHeader, claims any) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errNotSigned
	}
	return errors.Join(decodeSegment(parts[0], header), decodeSegment(parts[1], claims))
}

func decodeSegment(text string, value any) error {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(decoded, value)
}

// thumbprint identifies key in a header, as the thumbprint of its certificate
// would: the domain publishes no certificate here.
func thumbprint(key *rsa.PublicKey) string {
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// keys answers with the signing keys (RFC 7517, section 5) if they are public,
// else as the domain's administration does: with a SCIM error (RFC 7644, 3.12).
func (s *Server) keys(w http.ResponseWriter, _ *http.Request) {
	if !s.current().PublicSigningKeys {
		writeJSON(w, http.StatusUnauthorized, map[string]any{
			"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"},
			"detail":  "Authorization failed. You do not have permission to perform this operation.",
			"status":  "401",
		})
		return
	}
	public := &s.signingKey().PublicKey
	writeJSON(w, http.StatusOK, map[string]any{"keys": []map[string]any{{
		"kty":      "RSA",
		"kid":      signingKeyID,
		"alg":      "RS256",
		"key_ops":  []string{"verify", "encrypt"},
		"x5t#S256": thumbprint(public),
		"n":        base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
		"e":        base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}}})
}

// randomHex returns n random bytes as hex digits.
func randomHex(n int) string {
	random := make([]byte, n)
	_, _ = rand.Read(random) // never fails, by its documentation
	return hex.EncodeToString(random)
}

// opaque returns a code or a refresh token as the domain makes them: it begins
// with AQIDBA and contains +, / and =, which must be encoded in a form.
func opaque() string {
	random := make([]byte, 48)
	_, _ = rand.Read(random) // never fails, by its documentation
	text := base64.StdEncoding.EncodeToString(random)
	return "AQIDBA" + text[:32] + "+/" + text[32:] + "="
}
