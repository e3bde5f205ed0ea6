package config

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

func TestFurtherEndpoints(t *testing.T) {
	p := storetest.Places(t)
	path := filepath.Join(p.ConfigDirs[0], Name)
	c, err := Parse(p, path, []byte(withEndpoints(`{"qwen": "https://q.example/v1/", "llama": {"base_url": "http://127.0.0.1:4000", "name": "Llama"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Endpoint{
		{BaseURL: "https://llm.example.com/v1"},
		{ID: "llama", Name: "Llama", BaseURL: "http://127.0.0.1:4000"},
		{ID: "qwen", Name: "qwen (company models)", BaseURL: "https://q.example/v1"},
	}
	if got := c.Endpoints(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	for provider, key := range map[string]string{"": "llm_base_url", "oci-oidc": "llm_base_url", "oci-oidc-qwen": "endpoints.qwen", "oci-oidc-other": "", "qwen": "", "oci-oidc-": ""} {
		if e, ok := c.Endpoint(provider); ok != (key != "") || ok && e.Key() != key {
			t.Errorf("provider %q: %v %v", provider, e, ok)
		}
	}
	// The output of config show is an equal configuration.
	var shown struct{ Endpoints json.RawMessage }
	if err := json.Unmarshal(c.Redacted(), &shown); err != nil {
		t.Fatal(err)
	}
	again, err := Parse(p, path, []byte(withEndpoints(string(shown.Endpoints))))
	if err != nil || !reflect.DeepEqual(again.Endpoints(), want) {
		t.Errorf("shown %s: %v, %v", shown.Endpoints, again.Endpoints(), err)
	}
}

// Each scope, however it is written, has its own session with exactly the endpoints that name
// that scope. Everything else is the same for all sessions.
func TestEachScopeHasASession(t *testing.T) {
	p := storetest.Places(t)
	path := filepath.Join(p.ConfigDirs[0], Name)
	c, err := Parse(p, path, []byte(withEndpoints(`{"a": {"base_url": "https://a.example", "scope": "openid urn:x"}, "b": "https://b.example",
		"c": {"base_url": "https://c.example", "scope": "urn:x  openid urn:x"}, "d": {"base_url": "https://d.example", "scope": "offline_access profile openid"},
		"e": {"base_url": "https://e.example", "scope": "openid urn:e"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range c.Sessions() {
		var at []string
		for _, e := range s.Endpoints() {
			at = append(at, e.Origin())
			if _, ok := s.Endpoint(e.Provider()); !ok {
				t.Errorf("session %q does not know %s", s.Session, e.Provider())
			}
		}
		if len(s.Endpoints()) == len(c.Endpoints()) {
			t.Errorf("session %q has all endpoints", s.Session)
		}
		got = append(got, fmt.Sprintf("%s [%s] %v", s.Session, s.Scope, at))
		s.Session, s.Scope, s.BaseURL, s.Others = c.Session, c.Scope, c.BaseURL, c.Others
		if !s.Equal(c) {
			t.Errorf("the session differs in more: %+v", s)
		}
	}
	want := []string{
		" [openid profile offline_access] [https://llm.example.com https://b.example https://d.example]",
		"a [openid urn:x] [https://a.example https://c.example]",
		"e [openid urn:e] [https://e.example]",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	again, err := Parse(p, path, c.Redacted())
	if err != nil || !slices.EqualFunc(again.Sessions(), c.Sessions(), Config.Equal) {
		t.Errorf("config show says something else: %v\n%s", err, c.Redacted())
	}
	if one, err := Parse(p, path, []byte(withEndpoints(`{"b": "https://b.example"}`))); err != nil || len(one.Sessions()) != 1 || !one.Sessions()[0].Equal(one) {
		t.Errorf("without a scope of its own: %+v, %v", one.Sessions(), err)
	}
}

// The problem of an endpoint names its line and its ID, and quotes no password.
func TestEndpointMistakes(t *testing.T) {
	p := storetest.Places(t)
	for _, test := range []struct{ endpoints, says string }{
		{`{"qwen": "http://q.example/v1"}`, ":3: endpoints.qwen: is http: for q.example"},
		{`{"qwen": "https://ada:pass4711@q.example"}`, ":3: endpoints.qwen: holds a user name or password"},
		{"{\n\"a\": \"https://a.example/v1\",\n\"b\": {\"name\": \"b\"}}", ":5: endpoints.b: has no base_url"},
		{`{"qwen": {"base_url": "https://q.example/v1", "scope": ["urn:q"]}}`, ":3: endpoints: has a scope in qwen that must be text"},
		{`{"qwen": {"base_url": "https://q.example/v1", "scope": " "}}`, ":3: endpoints: has an empty scope in qwen; leave it out"},
		{`{"qwen": {"base_url": "https://q.example/v1", "scope": "openid <scope>"}}`, ":3: endpoints.qwen: has a scope that is still the placeholder"},
		{`{"qwen": {"base_url": "https://q.example/v1", "scope": "urn:opc:resource:expiry=5"}}`, ":3: endpoints.qwen: has a scope that has urn:opc:resource:expiry=5, but the life"},
		{`{"qwen": {"base_url": "https://q.example/v1", "scope": "urn:q"}}, "max_age": 60`, ":3: max_age: needs openid in the scope of endpoints.qwen"},
		{`{"qwen": {"base_url": 1}}`, ":3: endpoints: has a base_url in qwen that must be text"},
		{`{"qwen": {"base": "https://q.example"}}`, ":3: endpoints: has an unknown key base in qwen"},
		{`{"Qwen": "https://q.example"}`, `:3: endpoints: has the name "Qwen"; write it with small letters`},
		{`{"qwen": {"base_url": "https://q.example", "name": "a\nb"}}`, ":3: endpoints.qwen: has a name with a line break"},
		{`{"qwen": "{env:NOT_SET_ANYWHERE}"}`, ":3: endpoints: names the environment variable NOT_SET_ANYWHERE"},
		{`"https://q.example"`, ":3: endpoints: must be names with a base URL each"},
	} {
		_, err := Parse(p, "c", []byte(withEndpoints(test.endpoints)))
		if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "pass4711") {
			t.Errorf("%s: %v", test.endpoints, err)
		}
	}
}

// A project's endpoints are confirmed like its llm_base_url: the question names all origins,
// and another origin needs a new confirmation.
func TestProjectEndpointsNeedConfirmation(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	with := func(endpoints string) string {
		return strings.Replace(foreignConfig, `"llm_base_url"`, `"endpoints": `+endpoints+`, "llm_base_url"`, 1)
	}
	_, u, err := loadProject(t, p, dir, with(`{"a": "https://a.evil.example/v1", "b": "https://a.evil.example/v2"}`))
	if u == nil || strings.Count(err.Error(), "https://a.evil.example") != 1 || !strings.Contains(err.Error(), "https://llm.evil.example") {
		t.Fatalf("unconfirmed: %v", err)
	}
	if err := Confirm(p, u); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(p, dir); err != nil {
		t.Fatal(err)
	}
	for _, changed := range []string{`{"a": "https://b.evil.example/v1", "b": "https://a.evil.example/v2"}`, `{"a": "https://a.evil.example/v1"}`,
		`{"a": "https://a.evil.example/v1", "b": "https://a.evil.example/v2", "c": "https://c.evil.example"}`,
		`{"a": {"base_url": "https://a.evil.example/v1", "scope": "urn:admin"}, "b": "https://a.evil.example/v2"}`} {
		if _, u, err := loadProject(t, p, dir, with(changed)); u == nil || !u.Changed {
			t.Errorf("%s: believed unseen: %v", changed, err)
		}
	}
}

func withEndpoints(endpoints string) string {
	const first = "  // the company's domain\n"
	return strings.Replace(minimal, first, first+`  "endpoints": `+endpoints+",\n", 1)
}
