package domain

import (
	"net/url"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	r := &CodeRequest{state: "s", metadata: &metadata{Issuer: "i"}}
	for query, want := range map[string]string{
		"code=c&state=s":              "",
		"code=c&state=s&iss=i":        "",
		"code=c&state=s&iss=other":    "another identity domain",
		"code=c&state=S":              "not this attempt's",
		"code=c":                      "not this attempt's",
		"error=access_denied":         "not this attempt's",
		"error=access_denied&state=s": "refused (access_denied)",
		"error=x%1b%0a&state=s":       "refused (x)",
		"state=s":                     "holds no code",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		code, err := r.Parse(values)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err == nil && code != "c" {
			t.Errorf("%s: %q, %v", query, code, err)
		}
	}
	// A domain that promises iss and sends none is another.
	r.metadata.SendsIssuer = true
	if _, err := r.Parse(url.Values{"code": {"c"}, "state": {"s"}}); err == nil || !strings.Contains(err.Error(), "another identity domain") {
		t.Errorf("without the promised issuer: %v", err)
	}
}

func TestSecured(t *testing.T) {
	for address, want := range map[string]string{
		"http://idcs.example/ui/v1/device":   "https://idcs.example/ui/v1/device",
		"https://idcs.example/ui/v1/device":  "https://idcs.example/ui/v1/device",
		"http://127.0.0.1:4000/ui/v1/device": "http://127.0.0.1:4000/ui/v1/device",
	} {
		if got := Secured(address); got != want || !SecureURL(got) {
			t.Errorf("%s became %s", address, got)
		}
	}
	for _, address := range []string{"", "--help", "file:///etc/passwd", "javascript:alert(1)", "http://idcs.example/", "https://u:p@idcs.example/", "https:opaque"} {
		if SecureURL(address) {
			t.Errorf("%q would be shown", address)
		}
	}
}
