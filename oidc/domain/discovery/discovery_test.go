package discovery

import (
	"net/url"
	"testing"
)

var idcs = &url.URL{Scheme: "https", Host: "idcs.example"}

// A domain behind a proxy that ends TLS may name its endpoints with http, or a path alone. No
// address is used without https, unless it is on this machine.
func TestAddressesOfADomain(t *testing.T) {
	for address, want := range map[string]string{
		"https://idcs.example/t":           "https://idcs.example/t",
		"http://idcs.example/t":            "https://idcs.example/t",
		"HTTP://idcs.example:80/t":         "https://idcs.example/t",
		"http://idcs.example:8080/t":       "https://idcs.example:8080/t",
		" https://idcs.example/t ":         "https://idcs.example/t",
		"/t?x=1":                           "https://idcs.example/t?x=1",
		"//idcs.example/t":                 "https://idcs.example/t",
		"http://evil.example/t":            "",
		"//evil.example/t":                 "",
		`/\evil.example/t`:                 "https://idcs.example/%5Cevil.example/t",
		"t":                                "",
		"javascript:alert(1)":              "",
		"http:/t":                          "",
		"http://ada:4711@idcs.example/t":   "",
		"http://idcs.example@evil.example": "",
	} {
		m := Metadata{Token: address}
		_, err := m.Complete(idcs)
		if (err == nil) != (want != "") || err == nil && m.Token != want {
			t.Errorf("%q: %+v, %v", address, m, err)
		}
	}
}

func TestHostsOfADomain(t *testing.T) {
	for _, test := range []struct {
		domain, address string
		want            bool
	}{
		{"https://idcs-1.identity.oraclecloud.com", "https://idcs-1.identity.oraclecloud.com:443/oauth2/v1/token", true},
		{"https://idcs-1.identity.oraclecloud.com", "https://IDCS-1.secure.identity.oraclecloud.com/oauth2/v1/token", true},
		{"https://idcs-1.identity.oraclecloud.com", "https://idcs-2.identity.oraclecloud.com/oauth2/v1/token", false},
		{"https://idcs-1.identity.oraclecloud.com", "https://idcs-1.identity.oraclecloud.com.evil.example/", false},
		{"https://idcs-1.identity.oraclecloud.com", "https://idcs-1.evil.example/", false},
		{"https://idcs-1.identity.oraclecloud.com", "http://idcs-1.identity.oraclecloud.com/", false},
		{"https://login.example.com", "https://login.example.com:8443/t", true},
		{"https://login.example.com", "https://example.com/t", false},
		{"https://login.example.com", "https://x.login.example.com/t", false},
		{"https://login.example.com", "https://login.example.com@evil.example/t", false},
	} {
		if domain, _ := url.Parse(test.domain); Owns(domain, test.address) != test.want {
			t.Errorf("%s at %s: %v", test.address, test.domain, !test.want)
		}
	}
}

// If the issuer has a path, the discovery document is requested below that path.
func TestDiscoveryBelowTheIssuersPath(t *testing.T) {
	if paths := Paths(idcs, "https://idcs.example/realms/x"); paths[0] != "/realms/x/.well-known/openid-configuration" {
		t.Errorf("looked for at %v", paths)
	}
}

func TestSecureURL(t *testing.T) {
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
