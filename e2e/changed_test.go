package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestAChangedConfigurationIsFollowed: while OpenCode goes on, the person writes
// another endpoint into the configuration. Once a new token is needed, it goes there and
// not to the one before, and nobody has to start anything again.
func TestAChangedConfigurationIsFollowed(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	behind, err := url.Parse(domain.LLMBaseURL)
	if err != nil {
		t.Fatal(err)
	}
	behind.Path = ""
	endpoint := func() (address string, given func() []string) {
		var mu sync.Mutex
		var tokens []string
		proxy := httputil.NewSingleHostReverseProxy(behind)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			tokens = append(tokens, r.Header.Get("Authorization"))
			mu.Unlock()
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return server.URL + "/v1", func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Compact(slices.Sorted(slices.Values(tokens)))
		}
	}
	first, givenFirst := endpoint()
	second, givenSecond := endpoint()
	configuration := confidential(t, domain)
	configuration.Endpoint = first
	me := newConfiguredComputer(t, opencode.Latest, configuration)
	me.signInAtThePrompt()

	me.serves()
	ask := func() {
		t.Helper()
		me.chats("oci-oidc").answers(greeting)
	}
	ask()
	before := givenFirst()
	if len(before) != 1 || len(givenSecond()) != 0 {
		t.Fatalf("the endpoints were given %d and %d tokens", len(before), len(givenSecond()))
	}
	configuration.Endpoint = second
	configuration.Secret = "{file:~/.secrets/client-secret}"
	me.write(me.ConfigDir(), "oci-auth.config.jsonc", configuration)
	domain.RevokeAccessTokens()
	ask()
	ask()
	if got := givenFirst(); !slices.Equal(got, before) || len(givenSecond()) == 0 {
		t.Errorf("the endpoints were given %d and %d tokens, of which the first had %d before", len(got), len(givenSecond()), len(before))
	}
}
