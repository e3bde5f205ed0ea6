package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
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
	me.signIn(withBrowser, byItself)

	address, serve := me.serves()
	ask := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), runLimit)
		defer cancel()
		var session struct{ ID string }
		var answer struct{ Parts []struct{ Type, Text string } }
		err := posts(ctx, address+"/session", me.Project, `{"title":"greeting"}`, &session)
		if err == nil {
			err = posts(ctx, address+"/session/"+session.ID+"/message", me.Project, `{"parts":[{"type":"text","text":"hi"}]}`, &answer)
		}
		said := ""
		for _, part := range answer.Parts {
			said += part.Text
		}
		if err != nil || !strings.Contains(said, greeting) {
			t.Fatalf("%v: %q\n%s", err, said, serve.output())
		}
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
