// Package secret keeps secret text from being printed by accident: every way in
// which fmt, encoding/json and log/slog print a value shows "[redacted]", and what
// was a secret once is found by [Redact] in any text.
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

// Reveal returns the text itself: for the request or the file it belongs to.
func (t Text) Reveal() string { return t.text }

// Empty reports whether there is no text.
func (t Text) Empty() bool { return t.text == "" }

// Fingerprint returns the first 16 hex digits of the text's SHA-256: enough to
// tell two secrets apart, useless for finding either.
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
