package secret

import (
	"fmt"
	"strings"
	"testing"
)

// TestKnownSecretsAreRedacted: the latest secrets are redacted. Adding one again keeps it among them.
func TestKnownSecretsAreRedacted(t *testing.T) {
	var k Known
	if clean, changed := k.Redact("nothing"); changed || clean != "nothing" {
		t.Errorf("%q", clean)
	}
	name := func(i int) string { return fmt.Sprintf("the-secret-with-the-number-%03d", i) }
	for i := range maxKnown + 1 {
		k.Add(Text{name(i)}, Text{}, Text{name(i)}, Text{"used by all"})
		if clean, _ := k.Redact("a " + name(i) + " b"); clean != "a [redacted] b" {
			t.Errorf("%q", clean)
		}
	}
	if clean, _ := k.Redact("used by all"); clean != "[redacted]" {
		t.Errorf("%q", clean)
	}
	if len(k.latest) != maxKnown {
		t.Errorf("%d are known", len(k.latest))
	}
}

// TestVeryLongSecrets: only the beginning of a very long secret is remembered and redacted.
func TestVeryLongSecrets(t *testing.T) {
	k := Known{Disguised: true}
	for i := range maxKnown {
		k.Add(Text{fmt.Sprintf("%02d", i) + strings.Repeat("0123456789abcdef+\"", 1<<16)})
	}
	if clean, changed := k.Redact("x 05" + strings.Repeat("0123456789abcdef+\"", 10) + " y"); !changed || clean != "x [redacted] y" {
		t.Errorf("%.100q", clean)
	}
	held := 0
	for _, one := range k.latest {
		held += len(one.text)
	}
	if held > maxKnown*longest || len(k.redactor.hashes) > 1<<23 {
		t.Errorf("%d bytes and %d hashes are held", held, len(k.redactor.hashes))
	}
}
