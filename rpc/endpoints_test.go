package rpc

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// Each endpoint is a provider with its own models and address. All of them use the same token.
func TestEachEndpointHasAProvider(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	var mu sync.Mutex
	var shown []string // the tokens that the other endpoint was sent
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		shown = append(shown, r.Header.Get("Authorization"))
		mu.Unlock()
		fmt.Fprint(w, `{"data":[{"id":"qwen-3","max_model_len":4096}]}`)
	}))
	t.Cleanup(other.Close)
	places := configured(t, server)
	path := filepath.Join(places.ConfigDirs[0], config.Name)
	text, err := os.ReadFile(path)
	must(t, err)
	endpoints := fmt.Sprintf(`{"endpoints":{"qwen":{"base_url":%q,"name":"Qwen"}},`, other.URL+"/v1")
	must(t, os.WriteFile(path, []byte(strings.Replace(string(text), "{", endpoints, 1)), 0o600))

	p := converse(t, places)
	entry := func(id string) string {
		m := p.call("configure", `{"providers":{"oci-oidc-qwen":{"options":{"timeout":false}},"oci-oidc-elsewhere":{}}}`, nil)
		if all, _ := m.Result["providers"].(map[string]any); len(all) != 2 {
			t.Fatalf("the providers are %v", all)
		}
		text, err := json.Marshal(m.provider(id))
		must(t, err)
		return string(text)
	}
	first := func(models string) string {
		return fmt.Sprintf(`{"models":%s,"name":%q,"npm":"@ai-sdk/openai-compatible","options":{"baseURL":%q}}`, models, opencode.ProviderName, server.LLMBaseURL)
	}
	qwen := func(models string) string {
		return fmt.Sprintf(`{"models":%s,"name":"Qwen","npm":"@ai-sdk/openai-compatible","options":{"baseURL":"%s/v1","timeout":false}}`, models, other.URL)
	}
	expect := func(when, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	expect("before the sign-in", entry("oci-oidc"), first(noModels))
	expect("before the sign-in", entry("oci-oidc-qwen"), qwen(noModels))
	p.signInAtOnce()
	await(t, func() bool { return entry("oci-oidc") == first(`{"stand-in-model":{}}`) })
	await(t, func() bool {
		return entry("oci-oidc-qwen") == qwen(`{"qwen-3":{"limit":{"context":4096,"output":1024}}}`)
	})

	var token string
	for range 2 { // each is answered at once the second time
		for provider, baseURL := range map[string]string{"": server.LLMBaseURL, "oci-oidc": server.LLMBaseURL, "oci-oidc-qwen": other.URL + "/v1"} {
			m := p.call("getToken", fmt.Sprintf(`{"provider":%q}`, provider), nil)
			if m.Error != nil || m.Result["baseURL"] != baseURL {
				t.Fatalf("%q: %v %+v", provider, m.Result, m.Error)
			}
			if token == "" {
				token, _ = m.Result["accessToken"].(string)
			}
			if m.Result["accessToken"] != token {
				t.Errorf("%q has another token", provider)
			}
		}
	}
	mu.Lock()
	for _, sent := range shown {
		if sent != "Bearer "+token {
			t.Errorf("the other endpoint was sent %.20s…", sent)
		}
	}
	mu.Unlock()
	for _, method := range []string{"getToken", "explain"} {
		m := p.call(method, `{"provider":"oci-oidc-elsewhere","status":401}`, nil)
		if said := fmt.Sprintf("%+v %v", m.Error, m.Result); !strings.Contains(said, `no endpoint for OpenCode's provider "oci-oidc-elsewhere"`) || strings.Contains(said, token) {
			t.Errorf("%s: %s", method, said)
		}
	}
	if got := p.explain(map[string]any{"provider": "oci-oidc-qwen", "address": server.LLMBaseURL}); got.Problem == nil ||
		!strings.Contains(got.Problem.Message, "endpoints.qwen in "+path+" is at "+other.URL) {
		t.Errorf("elsewhere: %+v", got.Problem)
	}
	got := p.explain(map[string]any{"provider": "oci-oidc-qwen", "status": 401, "fingerprint": secret.New(token).Fingerprint(),
		"headers": map[string]string{"www-authenticate": `Bearer error="invalid_token"`}})
	var renewed struct{ AccessToken, BaseURL string }
	if err := json.Unmarshal(got.Token, &renewed); err != nil || renewed.AccessToken == token || renewed.BaseURL != other.URL+"/v1" {
		t.Errorf("refused: %+v, %+v", renewed, got.Problem)
	}
	if text := fmt.Sprint(p.call("status", "", nil).Result["text"]); !strings.Contains(text, other.URL+"/v1 (oci-oidc-qwen)") || !strings.Contains(text, server.LLMBaseURL+" (oci-oidc)") {
		t.Errorf("status: %s", text)
	}
}

// Without a configuration, OpenCode keeps the providers that its own configuration names, so
// that a request can report the problem.
func TestProvidersWithoutAConfiguration(t *testing.T) {
	p := converse(t, emptyPlaces(t))
	m := p.call("configure", `{"model":"oci-oidc-llama/m","providers":{"oci-oidc-qwen":{"models":{"q":{}}},"openai":{}}}`, nil)
	all, _ := m.Result["providers"].(map[string]any)
	if len(all) != 3 || m.provider("oci-oidc")["npm"] == nil || fmt.Sprint(m.provider("oci-oidc-llama")["models"]) != "map[m:map[]]" || fmt.Sprint(m.provider("oci-oidc-qwen")["models"]) != "map[q:map[]]" {
		t.Errorf("the providers are %v", all)
	}
}

// Two scopes are two sessions: each provider's requests get the token of its own scope, also
// if they run at the same time. Each session is signed in separately, and if one ends, the
// other's requests continue.
func TestTwoScopesAreTwoSessions(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true, Resources: []domaintest.Resource{
		{Audience: "https://llm.example.com", Scopes: []string{"/chat"}}, {Audience: "https://qwen.example.com", Scopes: []string{"/chat"}},
	}})
	qwen := httptest.NewServer(server.Endpoint(1))
	t.Cleanup(qwen.Close)
	places := configured(t, server)
	path := filepath.Join(places.ConfigDirs[0], config.Name)
	text, err := os.ReadFile(path)
	must(t, err)
	endpoints := fmt.Sprintf(`{"endpoints":{"qwen":{"base_url":"%s/v1","scope":"openid offline_access https://qwen.example.com/chat"},"same":%q},`, qwen.URL, server.LLMBaseURL)
	must(t, os.WriteFile(path, []byte(strings.Replace(string(text), "{", endpoints, 1)), 0o600))

	p := converse(t, places)
	urls := map[string]string{"oci-oidc": server.LLMBaseURL, "oci-oidc-same": server.LLMBaseURL, "oci-oidc-qwen": qwen.URL + "/v1"}
	token := func(provider string) string {
		t.Helper()
		m := p.call("getToken", fmt.Sprintf(`{"provider":%q}`, provider), nil)
		token, _ := m.Result["accessToken"].(string)
		if token == "" || m.Result["baseURL"] != urls[provider] {
			t.Fatalf("%s: %+v, %v", provider, m.Error, m.Result["baseURL"])
		}
		return token
	}
	refused := func(provider, says string) {
		t.Helper()
		m := p.call("getToken", fmt.Sprintf(`{"provider":%q}`, provider), nil)
		if m.Error == nil || m.Error.Data.Kind != "login_required" || !strings.Contains(m.Error.Message, says) {
			t.Errorf("%s: %+v", provider, m.Error)
		}
	}
	configure, err := json.Marshal(p.call("configure", "", nil).Result["methods"])
	must(t, err)
	if !strings.Contains(string(configure), `{"label":"Sign in with a browser","params":{"flow":"browser"}}`) ||
		!strings.Contains(string(configure), `{"label":"Sign in with a browser (qwen)","params":{"flow":"browser","provider":"oci-oidc-qwen"}}`) || strings.Contains(string(configure), "(same)") {
		t.Errorf("the ways to sign in are %s", configure)
	}
	p.signInAtOnce()
	refused("oci-oidc-qwen", "not signed in for the endpoint qwen")
	if m := p.call("status", "", nil); m.Result["ended"] != nil {
		t.Errorf("an endpoint that nobody has signed in for marks the account: %v", m.Result["ended"])
	}
	p.signInFor("oci-oidc-qwen")
	first, second := token("oci-oidc"), token("oci-oidc-qwen")
	if first == second || token("oci-oidc-same") != first {
		t.Error("the tokens are not those of the scopes")
	}
	var all sync.WaitGroup
	for range 3 {
		for provider, want := range map[string]string{"oci-oidc": first, "oci-oidc-same": first, "oci-oidc-qwen": second} {
			if token(provider) != want {
				t.Errorf("%s has the token of another session", provider)
			}
			all.Go(func() {
				request, _ := http.NewRequest(http.MethodGet, urls[provider]+"/models", nil)
				request.Header.Set("Authorization", "Bearer "+want)
				response, err := http.DefaultClient.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				_ = response.Body.Close()
				if response.StatusCode != http.StatusOK {
					t.Errorf("%s refuses its token: %s", provider, response.Status)
				}
			})
		}
	}
	all.Wait()

	// A refused token is replaced by one of the same scope. Neither provider learns the other's
	// token.
	got := p.explain(map[string]any{"provider": "oci-oidc-qwen", "status": 401, "fingerprint": secret.New(second).Fingerprint(),
		"headers": map[string]string{"www-authenticate": `Bearer error="invalid_token"`}})
	var renewed struct{ AccessToken, BaseURL string }
	if err := json.Unmarshal(got.Token, &renewed); err != nil || renewed.AccessToken == second || renewed.AccessToken == first || renewed.BaseURL != urls["oci-oidc-qwen"] {
		t.Errorf("refused: %s, %+v", renewed.BaseURL, got.Problem)
	}
	if token("oci-oidc") != first {
		t.Error("the refusal of one session's token renews the other's")
	}
	if said := p.call("tool", `{"name":"oci_oidc_refresh"}`, nil).Result["output"]; !strings.Contains(fmt.Sprint(said), "The token was renewed") || !strings.Contains(fmt.Sprint(said), "The token for the endpoint qwen was renewed") {
		t.Errorf("the tool says %v", said)
	}
	for _, secret := range []string{token("oci-oidc"), token("oci-oidc-qwen")} {
		m := p.call("redact", fmt.Sprintf(`{"tool":"bash","texts":["a %s b"]}`, secret), nil)
		if got := fmt.Sprint(m.Result["texts"]); !strings.Contains(got, "[redacted] b") || strings.Contains(got, secret[len(secret)-60:]) {
			t.Error("an agent reads a token")
		}
	}

	// The sign-out ends both. Each is renewed without the other.
	if m := p.call("disconnect", "", nil); m.Error != nil || server.Count(domaintest.Revoke) != 2 {
		t.Fatalf("%+v", m)
	}
	refused("oci-oidc", "You are not signed in, or your session has ended.")
	refused("oci-oidc-same", "You are not signed in, or your session has ended.")
	refused("oci-oidc-qwen", "not signed in for the endpoint qwen")
	p.signInFor("oci-oidc-qwen")
	second = token("oci-oidc-qwen")
	if said := fmt.Sprint(p.call("tool", `{"name":"oci_oidc_refresh"}`, nil).Result["output"]); !strings.HasPrefix(said, "The token for the endpoint qwen was renewed") || token("oci-oidc-qwen") == second {
		t.Errorf("the tool says %s", said)
	}
	refused("oci-oidc", "You are not signed in, or your session has ended.")
	if text := fmt.Sprint(p.call("status", "", nil).Result["text"]); !regexp.MustCompile(`Signed in +no`).MatchString(text) || !regexp.MustCompile(`Endpoint qwen +signed in as `).MatchString(text) {
		t.Errorf("status: %s", text)
	}
}
