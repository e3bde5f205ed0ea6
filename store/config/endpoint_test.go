package config

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

func TestEndpointsBesideTheFirst(t *testing.T) {
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
	// What config show prints says the same.
	var shown struct{ Endpoints json.RawMessage }
	if err := json.Unmarshal(c.Redacted(), &shown); err != nil {
		t.Fatal(err)
	}
	again, err := Parse(p, path, []byte(withEndpoints(string(shown.Endpoints))))
	if err != nil || !reflect.DeepEqual(again.Endpoints(), want) {
		t.Errorf("shown %s: %v, %v", shown.Endpoints, again.Endpoints(), err)
	}
}

// What is wrong with an endpoint names the line and the endpoint, and quotes no password.
func TestEndpointMistakes(t *testing.T) {
	p := storetest.Places(t)
	for _, test := range []struct{ endpoints, says string }{
		{`{"qwen": "http://q.example/v1"}`, ":3: endpoints.qwen: is http: for q.example"},
		{`{"qwen": "https://ada:4711@q.example"}`, ":3: endpoints.qwen: holds a user name or password"},
		{"{\n\"a\": \"https://a.example/v1\",\n\"b\": {\"name\": \"b\"}}", ":5: endpoints.b: has no base_url"},
		{`{"qwen": {"base_url": "https://q.example/v1", "scope": "urn:q"}}`, ":3: endpoints: has a scope in qwen, but all endpoints share"},
		{`{"qwen": {"base_url": 1}}`, ":3: endpoints: has a base_url in qwen that must be text"},
		{`{"qwen": {"base": "https://q.example"}}`, ":3: endpoints: has an unknown key base in qwen"},
		{`{"Qwen": "https://q.example"}`, `:3: endpoints: has the name "Qwen"; write it with small letters`},
		{`{"qwen": {"base_url": "https://q.example", "name": "a\nb"}}`, ":3: endpoints.qwen: has a name with a line break"},
		{`{"qwen": "{env:NOT_SET_ANYWHERE}"}`, ":3: endpoints: names the environment variable NOT_SET_ANYWHERE"},
		{`"https://q.example"`, ":3: endpoints: must be names with a base URL each"},
	} {
		_, err := Parse(p, "c", []byte(withEndpoints(test.endpoints)))
		if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: %v", test.endpoints, err)
		}
	}
}

// A project's endpoints are confirmed like its llm_base_url: all origins are named, and
// another one is confirmed anew.
func TestAProjectsEndpointsAreConfirmed(t *testing.T) {
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
		`{"a": "https://a.evil.example/v1", "b": "https://a.evil.example/v2", "c": "https://c.evil.example"}`} {
		if _, u, err := loadProject(t, p, dir, with(changed)); u == nil || !u.Changed {
			t.Errorf("%s: believed unseen: %v", changed, err)
		}
	}
}

func withEndpoints(endpoints string) string {
	const first = "  // the company's domain\n"
	return strings.Replace(minimal, first, first+`  "endpoints": `+endpoints+",\n", 1)
}
