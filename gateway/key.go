package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// keyPrefix lets a person, and a scanner of secrets, see what sort of key it is.
const keyPrefix = "oci-oidc-"

// NewKey returns a random key of 256 bits.
func NewKey() secret.Text {
	var bytes [32]byte
	_, _ = rand.Read(bytes[:]) // never fails
	return secret.New(keyPrefix + base64.RawURLEncoding.EncodeToString(bytes[:]))
}

// A Key is what the gateway knows of its key: its SHA-256 in hexadecimal. The key itself
// is random, so that nobody can find it from that, and it is on no disk.
type Key string

// KeyOf returns what the gateway has to know of a key.
func KeyOf(key secret.Text) Key { return Key(digest(key.Reveal())) }

// matches compares in constant time. No key matches the empty one.
func (k Key) matches(key string) bool {
	return k != "" && subtle.ConstantTimeCompare([]byte(digest(key)), []byte(k)) == 1
}

func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
