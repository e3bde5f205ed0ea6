// Package secret keeps secrets from being printed by accident. fmt, encoding/json and
// log/slog print a [Text] as "[redacted]", and [Redact] finds the secrets that this process
// has seen in any other text.
package secret

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a token, a client secret, a code or a verifier.
// Its zero value is the empty text.
type Text struct{ text string }

// Reveal returns the text itself, for a request, a file, or the program that asks for a token.
// CONTRIBUTING.md lists where tokens leave this machine.
func (t Text) Reveal() string { return t.text }

// Empty reports whether there is no text.
func (t Text) Empty() bool { return t.text == "" }

// Fingerprint returns the first 16 hex digits of the text's SHA-256. It tells two secrets
// apart without revealing them.
func (t Text) Fingerprint() string {
	sum := sha256.Sum256([]byte(t.text))
	return hex.EncodeToString(sum[:8])
}

// String returns "[redacted]".
func (Text) String() string { return redacted }

// GoString returns "[redacted]".
func (Text) GoString() string { return redacted }

// LogValue returns "[redacted]".
func (Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns "[redacted]".
func (Text) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Format writes "[redacted]" for every verb.
func (Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }
