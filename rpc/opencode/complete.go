package opencode

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// Own is the part of opencode.json that configure needs, as the person wrote it.
type Own struct {
	Worktree   string                     `json:"worktree"`
	Model      string                     `json:"model"`
	SmallModel string                     `json:"small_model"`
	Providers  map[string]json.RawMessage `json:"providers"` // only those of this plugin
	Permission json.RawMessage            `json:"permission"`
	Agent      json.RawMessage            `json:"agent"`
	Mode       json.RawMessage            `json:"mode"`
}

// Completed is Own with the plugin's additions, and what else OpenCode 1 shows of the
// plugin.
type Completed struct {
	Providers  ordered         `json:"providers"`
	Permission json.RawMessage `json:"permission"`
	Agent      json.RawMessage `json:"agent,omitempty"`
	Mode       json.RawMessage `json:"mode,omitempty"`
	Methods    []SignInMethod  `json:"methods"`
	Tools      []Tool          `json:"tools"`
	Commands   []Command       `json:"commands"`
}

// A Known is an endpoint of the configuration with the models that it is known to offer.
type Known struct {
	config.Endpoint
	Models endpoint.Models
}

// Complete adds the plugin's providers and rules to the configuration of OpenCode 1. What
// the person wrote takes precedence. If no endpoint is known, it adds the providers that
// OpenCode's configuration names, so that a request to them is answered with the problem.
func Complete(own Own, endpoints []Known, methods []SignInMethod, p store.Places, protected guard.Protected) Completed {
	var providers ordered
	for _, e := range endpoints {
		providers.set(e.Provider(), own.provider(e.Provider(), e.Name, e.BaseURL, e.Models))
	}
	if len(endpoints) == 0 {
		for _, id := range own.named() {
			providers.set(id, own.provider(id, "", PlaceholderBaseURL, nil))
		}
	}
	rules := denyRulesFor(p, protected, own.Worktree)
	return Completed{
		Providers: providers, Permission: rules.addTo(own.Permission),
		Agent: rules.addToAgents(own.Agent), Mode: rules.addToAgents(own.Mode),
		Methods: methods, Tools: tools, Commands: commands,
	}
}

// provider returns the completed entry of a provider.
func (own Own) provider(id, name, baseURL string, known endpoint.Models) json.RawMessage {
	written := own.Providers[id]
	if json.Unmarshal(written, &ordered{}) != nil {
		written = json.RawMessage("{}")
	}
	entry := merged(encode(ordered{
		{"npm", encode("@ai-sdk/openai-compatible")},
		{"name", encode(cmp.Or(name, ProviderName))},
		{"options", encode(map[string]string{"baseURL": baseURL})},
	}), written)
	var complete ordered
	_ = json.Unmarshal(entry, &complete)
	complete.set("models", models(known, complete.get("models"), id, own.Model, own.SmallModel))
	return encode(complete)
}

// named returns the IDs of this plugin's providers that OpenCode's configuration names.
func (own Own) named() []string {
	ids := slices.Sorted(maps.Keys(own.Providers))
	for _, model := range []string{own.Model, own.SmallModel} {
		id, _, _ := strings.Cut(model, "/")
		ids = append(ids, id)
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !strings.HasPrefix(id, config.Provider+"-") })
	return append([]string{config.Provider}, ids...)
}
