package e2e

import (
	"errors"
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

// Several endpoints at origins of their own have the token of one sign-in, in turn and at
// once; an origin that the configuration does not name gets no request, whatever
// opencode.json says and wherever an endpoint leads.
func TestSeveralEndpointsAndOneSession(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	first, qwen := newFront(t, domain.LLMBaseURL), newFront(t, domain.LLMBaseURL)
	elsewhere := newFront(t, domain.LLMBaseURL)
	moved := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/v1/chat/completions", http.StatusTemporaryRedirect))
	t.Cleanup(moved.Close)

	configured := confidential(t, domain)
	configured.Endpoint = first.URL + "/v1"
	configured.Endpoints = map[string]any{
		"qwen":   qwen.URL + "/v1",
		"astray": map[string]string{"base_url": qwen.URL + "/v1", "name": "Astray"},
		"moved":  moved.URL + "/v1",
	}
	me := newConfiguredComputer(t, opencode.Latest, configured)
	models := map[string]any{domaintest.DefaultModel: map[string]any{}}
	me.withoutModels(map[string]any{"provider": map[string]any{
		"oci-oidc-astray": map[string]any{"models": models, "options": map[string]any{"baseURL": elsewhere.URL + "/v1"}},
		"oci-oidc-moved":  map[string]any{"models": models},
	}})
	me.signInAtThePrompt()
	me.serves()
	me.asksBothEndpoints()
	tokens := slices.Concat(first.tokens(), qwen.tokens())
	if len(first.tokens()) < 2 || len(qwen.tokens()) < 3 || len(slices.Compact(tokens)) != 1 || !strings.HasPrefix(tokens[0], "Bearer ey") {
		t.Errorf("the endpoints were sent %d and %d tokens, and they differ: %t", len(first.tokens()), len(qwen.tokens()), len(slices.Compact(tokens)) > 1)
	}
	if n := domain.Count(domaintest.Token); n != 1 {
		t.Errorf("%d token requests, want the one of the sign-in", n)
	}
	for provider, says := range map[string]string{"oci-oidc-astray": "The request goes to " + elsewhere.URL, "oci-oidc-moved": "redirects to " + elsewhere.URL} {
		me.isTold(me.chats(provider), says)
	}
	if sent := elsewhere.tokens(); len(sent) > 0 {
		t.Errorf("%d requests went elsewhere", len(sent))
	}
}

// An endpoint with a scope of its own has a sign-in of its own in /connect, and its requests
// have that session's token, in turn and at once with the others; the endpoints take no
// other. A third origin gets none, and when one session ends, the other goes on.
func TestTwoScopesAndTwoSessions(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Resources: []domaintest.Resource{
		{Audience: "https://llm.example.com", Scopes: []string{"/chat"}}, {Audience: "https://qwen.example.com", Scopes: []string{"/chat"}},
	}})
	first, qwen, elsewhere := newFront(t, domain.LLMBaseURL), newNotes(t, domain.Endpoint(1)), newNotes(t, domain.Endpoint(1))
	configured := confidential(t, domain)
	configured.Endpoint = first.URL + "/v1"
	own := "openid offline_access https://qwen.example.com/chat"
	configured.Endpoints = map[string]any{
		"qwen":   map[string]string{"base_url": qwen.URL + "/v1", "scope": own},
		"astray": map[string]string{"base_url": qwen.URL + "/v1", "scope": own},
	}
	me := newConfiguredComputer(t, opencode.Latest, configured)
	models := map[string]any{domaintest.DefaultModel: map[string]any{}}
	me.withoutModels(map[string]any{"provider": map[string]any{
		"oci-oidc-qwen":   map[string]any{"models": models},
		"oci-oidc-astray": map[string]any{"models": models, "options": map[string]any{"baseURL": elsewhere.URL + "/v1"}},
	}})
	me.signInAtThePrompt()
	me.serves()
	me.isTold(me.chats("oci-oidc-qwen"), "not signed in for the endpoints astray, qwen")
	me.signIn(withBrowser+" (astray, qwen)", byItself)
	me.asksBothEndpoints()
	ours, theirs := slices.Compact(first.tokens()), slices.Compact(qwen.tokens())
	if len(ours) != 1 || len(theirs) != 1 || ours[0] == theirs[0] || !strings.HasPrefix(ours[0], "Bearer ey") || !strings.HasPrefix(theirs[0], "Bearer ey") {
		t.Errorf("the endpoints were sent %d and %d tokens, want one each", len(ours), len(theirs))
	}
	me.isTold(me.chats("oci-oidc-astray"), "The request goes to "+elsewhere.URL)
	if sent := elsewhere.tokens(); len(sent) > 0 {
		t.Errorf("%d requests went elsewhere", len(sent))
	}
	me.atThePrompt("logout", "--endpoint", "qwen")
	eventually(t, func() error { // an OpenCode that runs notices it within seconds
		r := me.chats("oci-oidc-qwen")
		if strings.Contains(r.all.String(), greeting) {
			return errors.New("answered after the end of the session")
		}
		me.isTold(r, "not signed in for the endpoints astray, qwen")
		return nil
	})
	me.chats("oci-oidc").answers(greeting)
}

// A front passes requests on to the stand-in's endpoint from another origin, and notes
// their tokens.
type front struct {
	*httptest.Server
	mu   sync.Mutex
	sent []string
}

func newFront(t *testing.T, endpoint string) *front {
	to, err := url.Parse(strings.TrimSuffix(endpoint, "/v1"))
	if err != nil {
		t.Fatal(err)
	}
	return newNotes(t, &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
}

// newNotes is a front of a handler.
func newNotes(t *testing.T, handler http.Handler) *front {
	f := &front{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.sent = append(f.sent, r.Header.Get("Authorization"))
		f.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *front) tokens() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

// asksBothEndpoints sends requests of one OpenCode to llm_base_url and to qwen, in turn and
// then at once, and fails the test unless all are answered.
func (c *computer) asksBothEndpoints() {
	c.t.Helper()
	for _, provider := range []string{"oci-oidc-qwen", "oci-oidc", "oci-oidc-qwen"} {
		c.chats(provider).answers(greeting)
	}
	first, qwen := c.startsChat("oci-oidc"), c.startsChat("oci-oidc-qwen")
	first.answers(greeting)
	qwen.answers(greeting)
}
