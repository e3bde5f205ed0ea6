package idtoken

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
)

// algorithms are the accepted signature algorithms (RFC 7518, 3.1; RFC 8037, 3.1). All need
// a private key: neither "none" nor HMAC with a shared secret is accepted.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// A Key is one JWK of a domain (RFC 7517, 4). Each is parsed on its own, so that a key of
// an unknown type does not make the others unusable.
type Key = json.RawMessage

// ErrNoKeyFits is the cause of a problem if none of the keys fits. The domain may have
// changed its keys since they were requested.
var ErrNoKeyFits = errors.New("no key fits")

// VerifySignature verifies the signature of a JWT (RFC 7515, 5.2) with the key whose kid is
// in its header, or, if there is no kid, with every key for its algorithm. The claims are
// checked by [Expected.Check] and not by go-oidc, because Oracle's domains name an issuer
// that is not their own URL.
func VerifySignature(raw string, keys []Key) error {
	token, err := jose.ParseSignedCompact(raw, algorithms)
	if unexpected := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &unexpected) {
		return Refused("it is signed with " + lenient.Printable(string(unexpected.Got), 20) + ", which proves nothing to us")
	}
	if err != nil || len(token.Signatures) != 1 {
		return Refused("its header or signature cannot be read")
	}
	header := token.Signatures[0].Header
	for _, text := range keys {
		key, ok := parseSigningKey(text, header.Algorithm)
		if !ok || header.KeyID != "" && key.KeyID != header.KeyID {
			continue
		}
		if _, err := token.Verify(key.Key); err == nil {
			return nil
		}
	}
	return Refused("its signature is not by a key that the domain publishes").Because(ErrNoKeyFits)
}

// parseSigningKey parses a JWK. ok is false unless it is a public key for verifying
// signatures with the algorithm.
func parseSigningKey(text Key, algorithm string) (key jose.JSONWebKey, ok bool) {
	var also struct {
		Operations []string `json:"key_ops"`
	}
	if key.UnmarshalJSON(unpadded(text)) != nil || json.Unmarshal(text, &also) != nil || !key.IsPublic() ||
		key.Use != "" && key.Use != "sig" || key.Algorithm != "" && key.Algorithm != algorithm ||
		also.Operations != nil && !slices.Contains(also.Operations, "verify") {
		return key, false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		return key, public.N.BitLen() >= 2048 && public.N.BitLen() <= 16384
	case *ecdsa.PublicKey: // each algorithm has its curve (RFC 7518, 3.4)
		curves := map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
		return key, curves[algorithm] == public.Curve.Params().Name
	}
	return key, true
}

// unpadded removes the base64 padding that some domains add to the numbers of a JWK although
// RFC 7515, 2 does not allow it.
func unpadded(text Key) Key {
	var members map[string]any
	if json.Unmarshal(text, &members) != nil {
		return text
	}
	for _, name := range []string{"n", "e", "x", "y"} {
		if number, ok := members[name].(string); ok {
			members[name] = strings.TrimRight(number, "=")
		}
	}
	clean, err := json.Marshal(members)
	if err != nil {
		return text
	}
	return clean
}
