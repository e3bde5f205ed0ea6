package domain

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/application"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// keyClient is an application that authenticates with a private key.
const keyClient = "key-client"

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func TestClientAssertion(t *testing.T) {
	_, config := standIn(t, domaintest.Options{})
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())}), 0o600); err != nil {
		t.Fatal(err)
	}
	config = parse(t, map[string]any{
		"domain_url": config.DomainURL, "llm_base_url": config.BaseURL, "auth_method": "private_key_jwt",
		"client_id": keyClient, "client_key": "{file:" + file + "}", "client_key_id": "alias",
	})
	d := newDomain(t, config)
	m, client, err := d.discoverClient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	assertion, err := client.Assertion()
	if err != nil {
		t.Fatal(err)
	}
	part := func(i int, into any) {
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(assertion, ".")[i])
		if err != nil || json.Unmarshal(text, into) != nil {
			t.Fatal(err)
		}
	}
	var header, claims map[string]any
	part(0, &header)
	part(1, &claims)
	if header["alg"] != "RS256" || header["kid"] != "alias" || header["typ"] != "JWT" {
		t.Errorf("header %v", header)
	}
	if claims["iss"] != keyClient || claims["sub"] != keyClient || len(claims["jti"].(string)) < 20 ||
		claims["exp"].(float64)-claims["iat"].(float64) != application.AssertionLife.Seconds() {
		t.Errorf("claims %v", claims)
	}
	if audience := claims["aud"].([]any); !slices.Equal(audience, []any{m.Token, m.Issuer}) {
		t.Errorf("audience %v", audience)
	}
}

func TestKeys(t *testing.T) {
	of := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short := `-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQC`
	for _, test := range []struct{ name, text, want string }{
		{"PKCS#1", of("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testKey())), ""},
		{"PKCS#8", of("PRIVATE KEY", pkcs8(testKey())), ""},
		{"with a label behind it, as the OCI console writes it", of("PRIVATE KEY", pkcs8(testKey())) + "OCI_API_KEY\n", ""},
		{"behind its certificate", of("CERTIFICATE", []byte("x")) + of("PRIVATE KEY", pkcs8(testKey())), ""},
		{"behind its public key", of("PUBLIC KEY", []byte("x")) + of("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testKey())), ""},
		{"with the lines of Windows", strings.ReplaceAll(of("PRIVATE KEY", pkcs8(testKey())), "\n", "\r\n"), ""},
		{"with the two characters of a line's end", strings.ReplaceAll(of("PRIVATE KEY", pkcs8(testKey())), "\n", `\n`), ""},
		{"with those of Windows", strings.ReplaceAll(of("PRIVATE KEY", pkcs8(testKey())), "\n", `\r\n`), ""},
		{"with spaces for the ends of lines", strings.TrimSpace(strings.ReplaceAll(of("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(testKey())), "\n", " ")), ""},
		{"with text before it", "Bag Attributes\n    friendlyName: x\n" + of("PRIVATE KEY", pkcs8(testKey())), ""},
		{"of OpenSSH", of("OPENSSH PRIVATE KEY", []byte("x")), "the form of OpenSSH"},
		{"a curve with its parameters", of("EC PARAMETERS", []byte("x")) + of("EC PRIVATE KEY", []byte("x")), "not an RSA key"},
		{"a public key", of("PUBLIC KEY", []byte("x")), "is a public key and not a private key"},
		{"encoded twice", base64.StdEncoding.EncodeToString([]byte(of("PRIVATE KEY", pkcs8(testKey())))), "not in PEM form"},
		{"a curve", of("PRIVATE KEY", pkcs8(curve)), "not an RSA key"},
		{"encrypted", of("ENCRYPTED PRIVATE KEY", []byte("x")), "passphrase"},
		{"a certificate", of("CERTIFICATE", []byte("x")), "is a certificate and not a private key"},
		{"cut off", short, "not in PEM form"},
		{"garbage in it", of("PRIVATE KEY", []byte("x")), "not an RSA key"},
		{"a secret", "s3cret", "not in PEM form"},
	} {
		_, err := application.ParseKey(secret.New(test.text))
		if test.want == "" && err != nil || test.want != "" && (!problem.Is(err, problem.Config) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
