package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// withoutModels is the opencode.json of a person who names the plugin and nothing
// else but more.
func (c *computer) withoutModels(more map[string]any) {
	c.t.Helper()
	root, err := opencode.Root()
	check(c.t, err)
	config := map[string]any{"plugin": []string{"file://" + filepath.Join(root, "npm-shim")}}
	for key, value := range more {
		config[key] = value
	}
	c.write(c.ConfigDir(), "opencode.json", config)
}

// lists returns what opencode models prints of the provider.
func (c *computer) lists(args ...string) string {
	c.t.Helper()
	list := c.start(append([]string{"models", "oci-oidc"}, args...)...)
	if err := list.ends(); err != nil {
		c.t.Errorf("OpenCode: %v\n%s", err, list.output())
	}
	return strings.TrimSpace(plain(list.stdout.String()))
}

func TestModelsAppearByThemselves(t *testing.T) {
	for _, c := range []struct {
		version   string
		catalogue domaintest.Catalogue
		output    string
	}{
		{opencode.Latest, domaintest.VLLM, "32768"},
		{opencode.Middle, domaintest.LiteLLM, "16384"},
		{opencode.Oldest, domaintest.LiteLLM, "16384"},
	} {
		t.Run(c.version, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Catalogue: c.catalogue,
				Models: []string{"text-embedding-3-large", "stand-in-model"}})
			me := newConfiguredComputer(t, c.version, confidential(t, domain))
			me.withoutModels(nil)
			if c.version == opencode.Latest {
				me.asks("hi").says("Run /connect and choose")
			}
			me.signIn(withBrowser, byItself)
			me.asks("hi").answers(greeting)
			if c.version == opencode.Oldest {
				return // its command models starts no plugin
			}
			list := me.lists("--verbose")
			limits := regexp.MustCompile(`"limit": \{\s+"context": 131072,\s+"output": ` + c.output)
			if !strings.HasPrefix(list, "oci-oidc/stand-in-model") || !limits.MatchString(list) || strings.Contains(list, "embedding") {
				t.Errorf("OpenCode lists %s", list)
			}
		})
	}
}

func TestModelsOfThePersonWin(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Catalogue: domaintest.VLLM, Models: []string{"a", "b"}})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.withoutModels(map[string]any{"provider": map[string]any{"oci-oidc": map[string]any{"models": map[string]any{
		"a": map[string]any{"name": "Mine", "limit": map[string]any{"context": 1000, "output": 100}}, "unlisted": map[string]any{},
	}}}})
	me.signIn(withBrowser, byItself)
	list := me.lists("--verbose")
	for _, want := range []string{"oci-oidc/a", "oci-oidc/unlisted", `"name": "Mine"`, `"context": 1000`} {
		if !strings.Contains(list, want) {
			t.Errorf("there is no %s in %s", want, list)
		}
	}
	if strings.Contains(list, "oci-oidc/b") {
		t.Errorf("more than the person has listed: %s", list)
	}
}

// TestNothingWaitsForTheListOfModels: OpenCode has started, answered and ended while
// the endpoint has not yet told its models.
func TestNothingWaitsForTheListOfModels(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.withoutModels(nil)
	me.signIn(withBrowser, byItself)
	files, _ := filepath.Glob(filepath.Join(me.Dir, ".local", "state", "opencode-oci-oidc", "models", "*.json"))
	if len(files) != 1 {
		t.Fatalf("kept in %v", files)
	}
	text, err := os.ReadFile(files[0])
	check(t, err)
	old := regexp.MustCompile(`"askedAt":"\d+`).ReplaceAll(text, []byte(`"askedAt":"2020`))
	check(t, os.WriteFile(files[0], old, 0o600))
	asked := domain.Count(domaintest.Models)

	domain.FailAlways(domaintest.Models, domaintest.Fault{Kind: domaintest.Stall})
	me.asks("hi").answers(greeting)
	requests := domain.Requests(domaintest.Models)
	if len(requests) != asked+1 || requests[asked].Status != 0 {
		t.Errorf("%d requests for models, the last one answered with %d; want one that was never answered", len(requests)-asked, requests[len(requests)-1].Status)
	}
}
