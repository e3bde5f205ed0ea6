package idtoken

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

func base64URL(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

// A publishedKey is a key as a domain publishes it.
type publishedKey struct {
	Type       string   `json:"kty"`
	Use        string   `json:"use,omitempty"`
	Operations []string `json:"key_ops,omitempty"`
	Algorithm  string   `json:"alg,omitempty"`
	ID         string   `json:"kid,omitempty"`
	N          string   `json:"n,omitempty"`
	E          string   `json:"e,omitempty"`
	Curve      string   `json:"crv,omitempty"`
	X          string   `json:"x,omitempty"`
	Y          string   `json:"y,omitempty"`
}

func published(keys []publishedKey) (all []Key) {
	for _, key := range keys {
		text, _ := json.Marshal(key)
		all = append(all, text)
	}
	return all
}

// A signer makes tokens that the domain's published key verifies.
type signer struct {
	algorithm string
	published publishedKey
	sign      func(message []byte) []byte
}

func (s signer) token(header string) string {
	signed := base64URL([]byte(header)) + "." + base64URL([]byte(`{"sub":"maria"}`))
	return signed + "." + base64URL(s.sign([]byte(signed)))
}

func signers(t *testing.T) (all []signer) {
	t.Helper()
	digest := func(hash crypto.Hash, message []byte) []byte {
		h := hash.New()
		h.Write(message)
		return h.Sum(nil)
	}
	must := func(signature []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := publishedKey{Type: "RSA", ID: "k", N: base64URL(key.N.Bytes()), E: "AQAB"}
	for bits, hash := range map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512} {
		all = append(all,
			signer{"RS" + bits, rsaKey, func(m []byte) []byte { return must(rsa.SignPKCS1v15(nil, key, hash, digest(hash, m))) }},
			signer{"PS" + bits, rsaKey, func(m []byte) []byte {
				return must(rsa.SignPSS(rand.Reader, key, hash, digest(hash, m), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
			}})
	}
	for _, c := range []struct {
		algorithm, name string
		curve           elliptic.Curve
		hash            crypto.Hash
	}{{"ES256", "P-256", elliptic.P256(), crypto.SHA256}, {"ES384", "P-384", elliptic.P384(), crypto.SHA384}, {"ES512", "P-521", elliptic.P521(), crypto.SHA512}} {
		key, err := ecdsa.GenerateKey(c.curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point := must(key.PublicKey.Bytes())[1:]
		size := len(point) / 2
		all = append(all, signer{c.algorithm, publishedKey{Type: "EC", ID: "k", Curve: c.name, X: base64URL(point[:size]), Y: base64URL(point[size:])},
			func(m []byte) []byte {
				r, s, err := ecdsa.Sign(rand.Reader, key, digest(c.hash, m))
				if err != nil {
					t.Fatal(err)
				}
				return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
			}})
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return append(all, signer{"EdDSA", publishedKey{Type: "OKP", ID: "k", Curve: "Ed25519", X: base64URL(public)},
		func(m []byte) []byte { return ed25519.Sign(private, m) }})
}

// Each algorithm accepts only keys of its own type.
func TestSignatures(t *testing.T) {
	all := signers(t)
	if len(all) != len(algorithms) {
		t.Errorf("%d algorithms are tried, %d are accepted", len(all), len(algorithms))
	}
	for _, s := range all {
		named, nameless := s.token(`{"alg":"`+s.algorithm+`","kid":"k"}`), s.token(`{"alg":"`+s.algorithm+`"}`)
		for _, token := range []string{named, nameless} {
			if err := VerifySignature(token, published([]publishedKey{{Type: "oct"}, s.published})); err != nil {
				t.Errorf("%s: %v", s.algorithm, err)
			}
		}
		key := func(change func(*publishedKey)) []publishedKey {
			changed := s.published
			change(&changed)
			return []publishedKey{changed}
		}
		parts := strings.Split(named, ".")
		for name, test := range map[string]struct {
			token string
			keys  []publishedKey
		}{
			"other claims":        {parts[0] + "." + base64URL([]byte(`{"sub":"mallory"}`)) + "." + parts[2], []publishedKey{s.published}},
			"no signature":        {parts[0] + "." + parts[1] + ".", []publishedKey{s.published}},
			"no keys":             {named, nil},
			"another name":        {named, key(func(k *publishedKey) { k.ID = "other" })},
			"a key to encrypt":    {named, key(func(k *publishedKey) { k.Use = "enc" })},
			"a key to sign":       {named, key(func(k *publishedKey) { k.Operations = []string{"sign"} })},
			"another algorithm":   {named, key(func(k *publishedKey) { k.Algorithm = "none" })},
			"another kind of key": {named, key(func(k *publishedKey) { k.Type = "oct" })},
			"no algorithm":        {s.token(`{"alg":"none"}`), []publishedKey{s.published}},
			"a shared secret":     {s.token(`{"alg":"HS256","kid":"k"}`), []publishedKey{s.published}},
			"what is critical":    {s.token(`{"alg":"` + s.algorithm + `","crit":["exp"],"exp":1}`), []publishedKey{s.published}},
			"half a key":          {named, key(func(k *publishedKey) { k.N, k.X = k.N[:len(k.N)/2], k.X[:len(k.X)/2] })},
		} {
			if err := VerifySignature(test.token, published(test.keys)); !problem.Is(err, problem.Domain) {
				t.Errorf("%s with %s: %v", s.algorithm, name, err)
			}
		}
	}
}

// Some domains pad the base64 numbers in their keys, although RFC 7515, 2 does not allow it.
func TestKeysWithPadding(t *testing.T) {
	for _, s := range signers(t) {
		if s.published.Type != "RSA" {
			continue
		}
		padded := s.published
		padded.N += strings.Repeat("=", (4-len(padded.N)%4)%4)
		if padded.N == s.published.N {
			t.Fatal("there is nothing to pad")
		}
		if err := VerifySignature(s.token(`{"alg":"`+s.algorithm+`","kid":"k"}`), published([]publishedKey{padded})); err != nil {
			t.Errorf("%s: %v", s.algorithm, err)
		}
	}
}
