package secret

import (
	"slices"
	"strings"
	"sync"
)

// maxKnown is the number of replaced secrets that are still redacted: they may be in a text
// and be valid until they expire.
const maxKnown = 24

// longest is the part of a secret that is remembered, in bytes. It is more than a request
// header can hold, and keeps a server that sends endless secrets from filling the memory.
const longest = 8 << 10

// Known redacts a changing set of secrets: the current ones, and the latest maxKnown others.
// The zero value has none. It is safe for concurrent use.
type Known struct {
	Disguised bool // also find them in Base64, in hexadecimal and backwards

	mu       sync.Mutex
	current  []Text    // without a limit
	latest   []Text    // most recently added first, at most maxKnown
	redactor *Redactor // for both; nil until Redact needs it
}

// SetCurrent replaces the current secrets. Those that are no longer current are added to the
// latest ones, as by Add.
func (k *Known) SetCurrent(secrets ...Text) {
	k.mu.Lock()
	before := k.current
	same := slices.Equal(before, secrets)
	k.mu.Unlock()
	if same {
		return
	}
	k.Add(before...)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.current, k.redactor = secrets, nil
}

// Add adds secrets to the latest ones. The oldest are dropped.
func (k *Known) Add(secrets ...Text) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, one := range secrets {
		if len(one.text) > longest {
			one.text = strings.Clone(one.text[:longest])
		}
		if one.Empty() {
			continue
		}
		// Adding a secret again moves it to the front.
		if at := slices.Index(k.latest, one); at >= 0 {
			k.latest = slices.Delete(k.latest, at, at+1)
		} else {
			k.redactor = nil
		}
		k.latest = slices.Insert(k.latest, 0, one)
	}
	k.latest = k.latest[:min(len(k.latest), maxKnown)]
}

// Redact returns text with "[redacted]" in place of secrets, and whether it had any.
func (k *Known) Redact(text string) (string, bool) {
	k.mu.Lock()
	if k.redactor == nil {
		k.redactor = NewRedactor(slices.Concat(k.current, k.latest), k.Disguised)
	}
	redactor := k.redactor
	k.mu.Unlock()
	return redactor.Redact(text)
}

// processSecrets are the secrets of this process. They are a package variable because every
// log record and every text from elsewhere must be free of every secret, including texts of
// code that knows of no session.
var processSecrets Known

// New returns text as a secret, and registers it for [Redact].
func New(text string) Text {
	Remember(text)
	return Text{text}
}

// Remember registers secrets for [Redact] that are not kept in a [Text].
func Remember(texts ...string) {
	for _, text := range texts {
		processSecrets.Add(Text{text})
	}
}

// Redact returns text with "[redacted]" in place of the latest secrets of this process, plain
// or escaped for HTML, JSON or a URL.
func Redact(text string) string {
	clean, _ := processSecrets.Redact(text)
	return clean
}
