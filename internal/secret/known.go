package secret

import (
	"slices"
	"strings"
	"sync"
)

// maxKnown is how many secrets are looked for: those that were replaced may still
// stand somewhere, and work until they expire.
const maxKnown = 24

// longest is how much of a secret is looked for, in bytes: more than any token that
// fits into a request's header. Who answers with endless ones takes no memory by that.
const longest = 8 << 10

// Known are the secrets that are looked for in texts: the current ones, and the latest of
// those that they have replaced. The zero value knows none. It is safe for concurrent use.
type Known struct {
	Disguised bool // they are found in other encodings, too

	mu       sync.Mutex
	current  []Text    // as many as there are
	latest   []Text    // the latest first, up to maxKnown
	redactor *Redactor // of them; nil until a text comes
}

// SetCurrent makes secrets known for as long as they are current. Those that no longer
// are count as added.
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

// Add makes secrets known.
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
		// One that is used again is a late one.
		if at := slices.Index(k.latest, one); at >= 0 {
			k.latest = slices.Delete(k.latest, at, at+1)
		} else {
			k.redactor = nil
		}
		k.latest = slices.Insert(k.latest, 0, one)
	}
	k.latest = k.latest[:min(len(k.latest), maxKnown)]
}

// Redact returns text with "[redacted]" in the place of secrets, and whether there
// were any.
func (k *Known) Redact(text string) (string, bool) {
	k.mu.Lock()
	if k.redactor == nil {
		k.redactor = NewRedactor(slices.Concat(k.current, k.latest), k.Disguised)
	}
	redactor := k.redactor
	k.mu.Unlock()
	return redactor.Redact(text)
}

// seen are the secrets of this process.
var seen Known

// New returns text as a secret.
func New(text string) Text {
	Remember(text)
	return Text{text}
}

// Remember makes secrets known to [Redact] that become no [Text].
func Remember(texts ...string) {
	for _, text := range texts {
		seen.Add(Text{text})
	}
}

// Redact returns text without the latest secrets that this process has seen, as they
// are or escaped.
func Redact(text string) string {
	clean, _ := seen.Redact(text)
	return clean
}
