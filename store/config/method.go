package config

import (
	"fmt"
	"slices"
	"strings"
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

// oneOf returns the value of a key that can have these values alone.
func (c *configCheck) oneOf(key, value string, values []string) string {
	if !slices.Contains(values, value) {
		c.add(key, fmt.Sprintf("is %q; write one of %s", value, strings.Join(values, ", "))+didYouMean(value, values))
	}
	return value
}

func (c *configCheck) authMethod(value string) AuthMethod {
	if c.oneOf("auth_method", value, methodNames); !slices.Contains(methodNames, value) {
		return ""
	}
	return AuthMethod(value)
}

// combination checks that the keys of the file fit its method.
func (c *configCheck) combination(file *configFile, config Config) {
	method := config.AuthMethod
	if method == "" {
		return // which is told already
	}
	c.proof(file, method)
	if method.Unattended() {
		for _, key := range personKeys {
			if c.has(key) {
				c.add(key, "is for people who sign in, and with client_credentials nobody does; remove it")
			}
		}
		return
	}
	if slices.Contains(strings.Fields(config.Scope), "openid") {
		return
	}
	for _, key := range []string{"max_age", "strict_id_token"} {
		if c.has(key) {
			c.add(key, "needs openid in scope: without it the domain gives no ID token")
		}
	}
}

// proof checks what the application proves itself with.
func (c *configCheck) proof(file *configFile, method AuthMethod) {
	secret, key := file.ClientSecret != "", file.ClientKey != ""
	switch {
	case method.Public() && secret:
		c.add("client_secret", fmt.Sprintf("is set, but a %s has none; remove it, or set auth_method to confidential_app", method))
	case method.Public() && key:
		c.add("client_key", fmt.Sprintf("is set, but a %s has none; remove it, or set auth_method to private_key_jwt", method))
	case method == PrivateKeyJWT && secret:
		c.add("client_secret", "is set, but with private_key_jwt the application proves itself with client_key alone; remove it")
	case method == PrivateKeyJWT && !key:
		c.add("client_key", `is missing, and private_key_jwt needs one; write "{file:~/.secrets/oci-client-key.pem}"`)
	case secret && key:
		c.add("client_key", "is set beside client_secret; an application proves itself with one of them: remove the other")
	case secret || key || file.TLSCert != "": // by a certificate alone, too (RFC 8705, 2)
	case method == ConfidentialApp:
		c.add("client_secret", "is missing, and a confidential_app has one; "+
			`write "{file:~/.secrets/oci-client-secret}", or set auth_method to "mobile_app" or "public_app"`)
	case method == ClientCredentials:
		c.add("client_secret", "is missing, and client_credentials needs one, or client_key; "+
			`write "{file:~/.secrets/oci-client-secret}" or "{env:NAME}"`)
	}
	if file.ClientKeyID != "" && !key {
		c.add("client_key_id", "names the key in client_key, but there is none; remove it, or add client_key")
	}
}
