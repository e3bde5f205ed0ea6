package domain

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// keysPath is where all of Oracle's domains have their signing keys.
const keysPath = "/admin/v1/SigningCert/jwk"

// algorithms are those of signatures with a private key (RFC 7518, 3.1; RFC 8037, 3.1).
// There is none without a key, and none with a secret that both sides know.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// A signingKey is one key of a domain (RFC 7517, 4). Each is parsed by itself, so that
// one of an unknown kind does not spoil the others.
type signingKey = json.RawMessage

// signingKeys asks the domain for its keys.
func (d *Domain) signingKeys(ctx context.Context, m *metadata) ([]signingKey, error) {
	const step = "read the domain's signing keys"
	x := d.get(ctx, m.Keys)
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	switch {
	case x.err != nil:
		return nil, d.fault(step, x, x.err)
	case x.status == http.StatusUnauthorized, x.status == http.StatusForbidden:
		return nil, problem.New(problem.Config,
			fmt.Sprintf("The domain does not publish its signing keys (status %d), and strict_id_token needs them.", x.status),
			`Ask your administrator to switch on "Configure client access" in the domain's settings, or remove strict_id_token.`)
	case x.status != http.StatusOK:
		return nil, d.fault(step, x, &refusal{})
	}
	if err := json.Unmarshal(x.body, &set); err != nil {
		return nil, d.fault(step, x, err)
	}
	var keys []signingKey
	for _, raw := range set.Keys {
		var key signingKey
		if err := json.Unmarshal(raw, &key); err != nil {
			d.log.Warn("one of the domain's signing keys is odd", "err", err)
			continue
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// A signatureCheck verifies ID tokens where the configuration wants that.
type signatureCheck struct {
	domain   *Domain
	metadata *metadata
	keys     []signingKey
}

// newSignatureCheck asks for the keys before a person is: without them there is no
// use in a sign-in. It is nil where nothing is to be verified.
func (d *Domain) newSignatureCheck(ctx context.Context, m *metadata) (*signatureCheck, error) {
	if !d.config.StrictIDToken {
		return nil, nil
	}
	keys, err := d.signingKeys(ctx, m)
	return &signatureCheck{d, m, keys}, err
}

// verify checks the signature of an ID token. The domain may have changed its keys
// since they were asked for, so it is asked once more where none of them fits.
func (s *signatureCheck) verify(ctx context.Context, raw string) error {
	if s == nil {
		return nil
	}
	if raw == "" {
		return badIDToken("there is none, and strict_id_token wants one")
	}
	err := verifySignature(raw, s.keys)
	if !errors.Is(err, errNoKeyFits) {
		return err
	}
	if s.keys, err = s.domain.signingKeys(ctx, s.metadata); err != nil {
		return err
	}
	return verifySignature(raw, s.keys)
}

var errNoKeyFits = errors.New("no key fits")

// verifySignature checks a signed token (RFC 7515, 5.2) with the one of the keys
// that its header names, or, without a name, with any of its kind. What the token claims
// is checked in idtoken.go and not by go-oidc, because Oracle's domains name an issuer
// that is not their own.
func verifySignature(raw string, keys []signingKey) error {
	token, err := jose.ParseSignedCompact(raw, algorithms)
	if unexpected := (*jose.ErrUnexpectedSignatureAlgorithm)(nil); errors.As(err, &unexpected) {
		return badIDToken("it is signed with " + Printable(string(unexpected.Got), 20) + ", which proves nothing to us")
	}
	if err != nil || len(token.Signatures) != 1 {
		return badIDToken("its header or signature cannot be read")
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
	return badIDToken("its signature is not by a key that the domain publishes").Because(errNoKeyFits)
}

// parseSigningKey parses a public key that is there to verify signatures of the
// algorithm.
func parseSigningKey(text signingKey, algorithm string) (key jose.JSONWebKey, ok bool) {
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

// unpadded removes the padding that some domains add to the numbers of a key, and that
// RFC 7515, 2 leaves out.
func unpadded(text signingKey) signingKey {
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
