package domain

import (
	"strings"
	"testing"
)

// TestWhatTheDomainSaysIsHarmless shows only what can be shown of an error answer.
func TestWhatTheDomainSaysIsHarmless(t *testing.T) {
	got := said("x\x1b[31m", "line\nline eyJhbGciOiJSUzI1NiJ9.e30.AAAA "+strings.Repeat("y", 1000), "id")
	if strings.ContainsAny(got, "\x1b\n") || strings.Contains(got, "eyJ") || len(got) > 400 || !strings.Contains(got, "ECID id") {
		t.Errorf("%q", got)
	}
}
