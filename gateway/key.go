package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// keyPrefix tells people and secret scanners what the key is for.
const keyPrefix = "oci-oidc-"

// NewKey returns a random key of 256 bits.
func NewKey() secret.Text {
	var bytes [32]byte
	_, _ = rand.Read(bytes[:]) // never fails
	return secret.New(keyPrefix + base64.RawURLEncoding.EncodeToString(bytes[:]))
}

// A Key is the SHA-256 of a key in hexadecimal. The key itself is not saved. A fast hash is
// enough, because the key is random and cannot be guessed.
type Key string

// KeyOf returns the hash of a key.
func KeyOf(key secret.Text) Key { return Key(digest(key.Reveal())) }

// matches compares in constant time. Nothing matches the empty Key.
func (k Key) matches(key string) bool {
	return k != "" && subtle.ConstantTimeCompare([]byte(digest(key)), []byte(k)) == 1
}

func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
