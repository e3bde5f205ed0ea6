package domain

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

func TestDiscovery(t *testing.T) {
	for _, test := range []struct {
		name, document, nested string // "" for 404
		want                   string // what is wrong
		token                  string // path of the token endpoint
	}{
		{"standard", `{"token_endpoint":"BASE/t"}`, "", "", "/t"},
		{"Oracle's own", "", `{"openid-configuration":{"token_endpoint":"BASE/t"}}`, "", "/t"},
		{"none at all", "", "", "", "/oauth2/v1/token"},
		{"nothing in it", `{}`, "", "", "/oauth2/v1/token"},
		{"an endpoint in the clear, elsewhere", `{"token_endpoint":"http://idcs.example/t"}`, "", "another host, idcs.example", ""},
		{"a path", `{"token_endpoint":"/t"}`, "", "", "/t"},
		{"white space around it", `{"token_endpoint":" BASE/t\n"}`, "", "", "/t"},
		{"an address without a scheme", `{"token_endpoint":"//idcs.example/t"}`, "", "another host, idcs.example", ""},
		{"a placeholder", `{"token_endpoint":"https://{tenant}.example/t"}`, "", "not the https address of a host", ""},
		{"a user name", `{"token_endpoint":"https://ada:4711@idcs.example/t"}`, "", "or has a user name in it", ""},
		{"a name that is not ASCII", `{"token_endpoint":"https://müller.example/t"}`, "", "not the https address of a host", ""},
		{"an endpoint of another kind", `{"authorization_endpoint":"file:///etc/passwd"}`, "", "authorization_endpoint", ""},
		{"a text for a list", `{"token_endpoint":"BASE/t","scopes_supported":"openid","token_endpoint_auth_methods_supported":"client_secret_post"}`, "", "", "/t"},
		{"wrong types everywhere", `{"token_endpoint":{"x":1},"issuer":7,"authorization_endpoint":["BASE/a"],"mtls_endpoint_aliases":"none","jwks_uri":null,"authorization_response_iss_parameter_supported":"true","device_authorization_endpoint":[1,2]}`, "", "", "/oauth2/v1/token"},
		{"a number for an endpoint", `{"token_endpoint":7,"issuer":[7]}`, "", "", "/oauth2/v1/token"},
		{"a list of one", `{"token_endpoint":["BASE/t"]}`, "", "", "/t"},
		{"Oracle's own that is a text", `{"token_endpoint":"BASE/t","openid-configuration":"none"}`, "", "", "/t"},
		{"a list for the whole", `[{"token_endpoint":"BASE/t"}]`, "", "", "/t"},
		{"null", `null`, "", "not an identity domain's", ""},
		{"a byte order mark", "\ufeff" + `{"token_endpoint":"BASE/t"}`, "", "", "/t"},
		{"cut off", `{"token_endpoint":"BASE/t","issuer":"x`, "", "not an identity domain's", ""},
		{"not JSON", `<html>`, "", "not an identity domain's", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var base string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text := map[string]string{"/.well-known/openid-configuration": test.document, "/.well-known/idcs-configuration": test.nested}[r.URL.Path]
				if text == "" {
					http.NotFound(w, r)
					return
				}
				_, _ = io.WriteString(w, strings.ReplaceAll(text, "BASE", base))
			}))
			defer server.Close()
			base = server.URL
			m, err := newDomain(t, config.Config{DomainURL: base}).discover(t.Context())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v", err)
			}
			if err == nil && m.Token != base+test.token {
				t.Errorf("token endpoint %s", m.Token)
			}
		})
	}
}

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
		d := newDomain(t, config.Config{DomainURL: "https://idcs.example"})
		m, err := d.complete(&metadata{Token: address})
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
		if d := newDomain(t, config.Config{DomainURL: test.domain}); d.owns(test.address) != test.want {
			t.Errorf("%s at %s: %v", test.address, test.domain, !test.want)
		}
	}
}

// TestCallerStopsWaitingForSharedDiscovery: a caller whose context ends stops waiting
// for another caller's discovery, which continues.
func TestCallerStopsWaitingForSharedDiscovery(t *testing.T) {
	server, config := standIn(t, domaintest.Options{})
	asked := make(chan struct{}, 1)
	server.Change(func(o *domaintest.Options) {
		o.Tamper = func(_ domaintest.Operation, rw http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			select {
			case asked <- struct{}{}:
			default:
			}
			<-r.Context().Done()
		}
	})
	d := newDomain(t, config)
	first, cancelFirst := context.WithCancel(t.Context())
	defer cancelFirst()
	done := make(chan error, 1)
	go func() { _, err := d.discover(first); done <- err }()
	<-asked
	second, cancelSecond := context.WithCancel(t.Context())
	cancelSecond()
	if _, err := d.discover(second); err == nil {
		t.Error("found something")
	}
	cancelFirst()
	if err := <-done; err == nil {
		t.Error("found something")
	}
}

// If the issuer has a path, the discovery document is requested below that path.
func TestDiscoveryBelowTheIssuersPath(t *testing.T) {
	d := newDomain(t, config.Config{DomainURL: "https://idcs.example", Issuer: "https://idcs.example/realms/x"})
	if paths := d.discoveryPaths(); paths[0] != "/realms/x/.well-known/openid-configuration" {
		t.Errorf("looked for at %v", paths)
	}
}
