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
		{"another scheme at the domain", `{"token_endpoint":"xBASE/t"}`, "", "not the https address of a host", ""},
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
			m, err := newDomain(t, config.Config{DomainURL: base}).Metadata(t.Context())
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%v", err)
			}
			if err == nil && m.Token != base+test.token {
				t.Errorf("token endpoint %s", m.Token)
			}
		})
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
	go func() { _, err := d.Metadata(first); done <- err }()
	<-asked
	second, cancelSecond := context.WithCancel(t.Context())
	cancelSecond()
	if _, err := d.Metadata(second); err == nil {
		t.Error("found something")
	}
	cancelFirst()
	if err := <-done; err == nil {
		t.Error("found something")
	}
}
