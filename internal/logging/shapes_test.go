package logging

import (
	"regexp"
	"testing"
)

// shapes is a regular expression for the same secrets as secretAt.
var shapes = regexp.MustCompile(
	`eyJ[\w-]{8,}(\.[\w-]*){0,4}` +
		`|AQIDBA[\w+/%=-]*` +
		`|(?i:bearer|basic) [\w.~+/=-]{8,}` +
		`|\b(code|state|nonce|code_verifier|client_secret|refresh_token|access_token|id_token|device_code|client_assertion)=[^&\s"]+`)

func FuzzShapes(f *testing.F) {
	for _, text := range []string{
		"", "no secret, encode=1 and zip_code=2", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl", "eyJshort", "eyJeyJhbGciOiJSUzI1NiJ9..a.b.c.d",
		"AQIDBA", "xAQIDBAhunter2+/= too", "authorization: Bearer hunter2hunter2", "BASIC aHVudGVyMg==", "bearer of bad news", "basic Bearer abcdefgh",
		"http://localhost/cb?code=hunter2&state=hunter2", "code=", "code=&nonce=1", "x code_verifier=a\" id_token=b\tc", "_code=1 -code=1", "\xffcode=1\xff",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := redactShapes(text), shapes.ReplaceAllLiteralString(text, redacted); got != want {
			t.Errorf("%q became\n%q, which should be\n%q", text, got, want)
		}
	})
}
