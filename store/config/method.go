package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

// An AuthMethod says what kind of application is registered in the domain, and
// with that who signs in and how the application proves itself.
type AuthMethod string

// The methods.
const (
	ConfidentialApp   AuthMethod = "confidential_app"   // has a secret or a key; signs in with the browser
	PrivateKeyJWT     AuthMethod = "private_key_jwt"    // has a key; signs in with the browser
	MobileApp         AuthMethod = "mobile_app"         // has neither; signs in with a device code
	PublicApp         AuthMethod = "public_app"         // has neither; signs in with the browser
	ClientCredentials AuthMethod = "client_credentials" // has a secret or a key; nobody signs in
)

var methodNames = []string{string(ConfidentialApp), string(MobileApp), string(PublicApp), string(PrivateKeyJWT), string(ClientCredentials)}

// Public reports whether the application has nothing to prove itself with.
func (m AuthMethod) Public() bool { return m == MobileApp || m == PublicApp }

// Unattended reports whether the application acts for itself, without a person.
func (m AuthMethod) Unattended() bool { return m == ClientCredentials }

// A TokenStore says how saved tokens are kept.
type TokenStore string

// The ways.
const (
	FileStore    TokenStore = "file"    // in a file that only its owner reads
	KeyringStore TokenStore = "keyring" // in the same file, encrypted with a key in the system's keyring
)

// signIns are the flows that sign_in can put first; package signin makes them.
var signIns = []string{"browser", "device", "paste"}

// personKeys are of no use where nobody signs in.
var personKeys = []string{"sign_in", "login_hint", "prompt", "max_age", "strict_id_token"}

var tokenStores = []string{string(FileStore), string(KeyringStore)}

func authMethod(c *check.File, value string) AuthMethod {
	if c.OneOf("auth_method", value, methodNames); !slices.Contains(methodNames, value) {
		return ""
	}
	return AuthMethod(value)
}

// combination checks that the keys of the file fit its method.
func combination(c *check.File, file *configFile, config Config) {
	method := config.AuthMethod
	if method == "" {
		return // which is told already
	}
	proof(c, file, method)
	if method.Unattended() {
		for _, key := range personKeys {
			if c.Has(key) {
				c.Add(key, "is for people who sign in, and with client_credentials nobody does; remove it")
			}
		}
		return
	}
	if slices.Contains(strings.Fields(config.Scope), "openid") {
		return
	}
	for _, key := range []string{"max_age", "strict_id_token"} {
		if c.Has(key) {
			c.Add(key, "needs openid in scope: without it the domain gives no ID token")
		}
	}
}

// proof checks what the application proves itself with.
func proof(c *check.File, file *configFile, method AuthMethod) {
	secret, key := file.ClientSecret != "", file.ClientKey != ""
	switch {
	case method.Public() && secret:
		c.Add("client_secret", fmt.Sprintf("is set, but a %s has none; remove it, or set auth_method to confidential_app", method))
	case method.Public() && key:
		c.Add("client_key", fmt.Sprintf("is set, but a %s has none; remove it, or set auth_method to private_key_jwt", method))
	case method == PrivateKeyJWT && secret:
		c.Add("client_secret", "is set, but with private_key_jwt the application proves itself with client_key alone; remove it")
	case method == PrivateKeyJWT && !key:
		c.Add("client_key", `is missing, and private_key_jwt needs one; write "{file:~/.secrets/oci-client-key.pem}"`)
	case secret && key:
		c.Add("client_key", "is set beside client_secret; an application proves itself with one of them: remove the other")
	case secret || key || file.TLSCert != "": // by a certificate alone, too (RFC 8705, 2)
	case method == ConfidentialApp:
		c.Add("client_secret", "is missing, and a confidential_app has one; "+
			`write "{file:~/.secrets/oci-client-secret}", or set auth_method to "mobile_app" or "public_app"`)
	case method == ClientCredentials:
		c.Add("client_secret", "is missing, and client_credentials needs one, or client_key; "+
			`write "{file:~/.secrets/oci-client-secret}" or "{env:NAME}"`)
	}
	if file.ClientKeyID != "" && !key {
		c.Add("client_key_id", "names the key in client_key, but there is none; remove it, or add client_key")
	}
}
