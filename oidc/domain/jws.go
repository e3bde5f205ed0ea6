package domain

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha512" // for the algorithms that end in 384 and 512
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// keysPath is where all of Oracle's domains have their signing keys.
const keysPath = "/admin/v1/SigningCert/jwk"

// A signingKey is one key of a domain (RFC 7517, 4; RFC 7518, 6).
type signingKey struct {
	Type       string   `json:"kty"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	ID         string   `json:"kid"`
	N          string   `json:"n"`
	E          string   `json:"e"`
	Curve      string   `json:"crv"`
	X          string   `json:"x"`
	Y          string   `json:"y"`
}

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
// that its header names, or, without a name, with any of its kind.
func verifySignature(raw string, keys []signingKey) error {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return badIDToken("it is not a JSON Web Token")
	}
	var header struct {
		Algorithm string          `json:"alg"`
		KeyID     string          `json:"kid"`
		Critical  json.RawMessage `json:"crit"`
	}
	text, errHeader := base64.RawURLEncoding.DecodeString(parts[0])
	signature, errSignature := base64.RawURLEncoding.DecodeString(parts[2])
	if errHeader != nil || errSignature != nil || json.Unmarshal(text, &header) != nil || header.Critical != nil {
		return badIDToken("its header or signature cannot be read")
	}
	algorithm, known := algorithms[header.Algorithm]
	if !known {
		return badIDToken("it is signed with " + Printable(header.Algorithm, 20) + ", which proves nothing to us")
	}
	hash := algorithm.hash
	digest := []byte(parts[0] + "." + parts[1])
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	for _, key := range keys {
		if key.Type == algorithm.keyType && key.mayVerify(header.Algorithm) && (header.KeyID == "" || key.ID == header.KeyID) &&
			algorithm.verify(key, hash, digest, signature) {
			return nil
		}
	}
	return badIDToken("its signature is not by a key that the domain publishes").Because(errNoKeyFits)
}

// mayVerify reports whether the key is there for signatures of the algorithm.
func (k signingKey) mayVerify(algorithm string) bool {
	return (k.Use == "" || k.Use == "sig") && (k.Algorithm == "" || k.Algorithm == algorithm) &&
		(k.Operations == nil || slices.Contains(k.Operations, "verify"))
}

// An algorithm is a way of signing with a private key (RFC 7518, 3.1; RFC 8037,
// 3.1). There is none without a key, and none with a secret that both sides know.
type algorithm struct {
	keyType string
	hash    crypto.Hash // 0 where the algorithm sees to that
	verify  func(key signingKey, hash crypto.Hash, digest, signature []byte) bool
}

var algorithms = map[string]algorithm{
	"RS256": {"RSA", crypto.SHA256, byPKCS1}, "RS384": {"RSA", crypto.SHA384, byPKCS1}, "RS512": {"RSA", crypto.SHA512, byPKCS1},
	"PS256": {"RSA", crypto.SHA256, byPSS}, "PS384": {"RSA", crypto.SHA384, byPSS}, "PS512": {"RSA", crypto.SHA512, byPSS},
	"ES256": {"EC", crypto.SHA256, onCurve("P-256", elliptic.P256)},
	"ES384": {"EC", crypto.SHA384, onCurve("P-384", elliptic.P384)},
	"ES512": {"EC", crypto.SHA512, onCurve("P-521", elliptic.P521)},
	"EdDSA": {"OKP", 0, byEd25519},
}

func byPKCS1(key signingKey, hash crypto.Hash, digest, signature []byte) bool {
	public := key.rsa()
	return public != nil && rsa.VerifyPKCS1v15(public, hash, digest, signature) == nil
}

func byPSS(key signingKey, hash crypto.Hash, digest, signature []byte) bool {
	public := key.rsa()
	return public != nil && rsa.VerifyPSS(public, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
}

// rsa returns nil for what is no RSA key, or one that is too short.
func (k signingKey) rsa() *rsa.PublicKey {
	n, errN := base64.RawURLEncoding.DecodeString(k.N)
	e, errE := base64.RawURLEncoding.DecodeString(k.E)
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if errN != nil || errE != nil || len(e) > 4 || public.E < 2 || public.N.BitLen() < 2048 || public.N.BitLen() > 16384 {
		return nil
	}
	return public
}

// onCurve verifies a signature that is two numbers of the curve's size, one after
// the other (RFC 7518, 3.4).
// onCurve makes its curve at its first use: start-up counts.
func onCurve(name string, newCurve func() elliptic.Curve) func(signingKey, crypto.Hash, []byte, []byte) bool {
	return func(key signingKey, _ crypto.Hash, digest, signature []byte) bool {
		curve := newCurve()
		size := (curve.Params().BitSize + 7) / 8
		x, errX := base64.RawURLEncoding.DecodeString(key.X)
		y, errY := base64.RawURLEncoding.DecodeString(key.Y)
		if errX != nil || errY != nil || key.Curve != name || len(x) != size || len(y) != size || len(signature) != 2*size {
			return false
		}
		public, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return err == nil && ecdsa.Verify(public, digest, r, s)
	}
}

func byEd25519(key signingKey, _ crypto.Hash, message, signature []byte) bool {
	x, err := base64.RawURLEncoding.DecodeString(key.X)
	return err == nil && key.Curve == "Ed25519" && len(x) == ed25519.PublicKeySize && ed25519.Verify(x, message, signature)
}
