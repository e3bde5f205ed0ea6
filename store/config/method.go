package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

// An AuthMethod is the kind of application that is registered in the domain. It determines
// how the client authenticates and which flows it uses.
type AuthMethod string

// The values of auth_method.
const (
	ConfidentialApp   AuthMethod = "confidential_app"   // has a secret or a key; signs in with the browser
	PrivateKeyJWT     AuthMethod = "private_key_jwt"    // has a key; signs in with the browser
	MobileApp         AuthMethod = "mobile_app"         // has neither; signs in with a device code
	PublicApp         AuthMethod = "public_app"         // has neither; signs in with the browser
	ClientCredentials AuthMethod = "client_credentials" // has a secret or a key; nobody signs in
)

var methodNames = []string{string(ConfidentialApp), string(MobileApp), string(PublicApp), string(PrivateKeyJWT), string(ClientCredentials)}

// Public reports whether the application is a public client (RFC 6749, 2.1).
func (m AuthMethod) Public() bool { return m == MobileApp || m == PublicApp }

// Unattended reports whether the application acts for itself, without a person who signs in.
func (m AuthMethod) Unattended() bool { return m == ClientCredentials }

// A TokenStore says how tokens are saved.
type TokenStore string

// The values of token_store.
const (
	FileStore    TokenStore = "file"    // in a file that only its owner can read
	KeyringStore TokenStore = "keyring" // in the same file, encrypted with a key in the system's keyring
	AutoStore    TokenStore = "auto"    // encrypted if the keyring can be used at the sign-in, and otherwise not
)

// signIns are the values of sign_in, which are the flows of package signin.
var signIns = []string{"browser", "device", "paste"}

// personKeys only apply if a person signs in.
var personKeys = []string{"sign_in", "login_hint", "prompt", "max_age", "strict_id_token"}

var tokenStores = []string{string(FileStore), string(KeyringStore), string(AutoStore)}

func authMethod(c *check.File, value string) AuthMethod {
	if c.OneOf("auth_method", value, methodNames); !slices.Contains(methodNames, value) {
		return ""
	}
	return AuthMethod(value)
}

// combination checks that the other keys fit the auth_method.
func combination(c *check.File, file *configFile, config Config) {
	method := config.AuthMethod
	if method == "" {
		return // already reported
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
	for _, session := range config.Sessions() {
		for _, key := range []string{"max_age", "strict_id_token"} {
			if c.Has(key) && !slices.Contains(strings.Fields(session.Scope), "openid") {
				c.Add(key, fmt.Sprintf("needs openid in %s: without it the domain gives no ID token", session.ScopeKey()))
			}
		}
	}
}

// proof checks that there is the client secret or key that the auth_method requires.
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
	case secret || key || file.TLSCert != "": // a client certificate is enough (RFC 8705, 2)
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
