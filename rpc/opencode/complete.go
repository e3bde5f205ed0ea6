package opencode

import (
	"encoding/json"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// Own is what the person wrote in opencode.json.
type Own struct {
	Worktree   string          `json:"worktree"`
	Model      string          `json:"model"`
	SmallModel string          `json:"small_model"`
	Provider   json.RawMessage `json:"provider"` // of provider.oci-oidc alone
	Permission json.RawMessage `json:"permission"`
	Agent      json.RawMessage `json:"agent"`
	Mode       json.RawMessage `json:"mode"`
}

// Completed is the same, completed, and what else OpenCode 1 shows of the plugin.
type Completed struct {
	Provider   json.RawMessage `json:"provider"`
	Permission json.RawMessage `json:"permission"`
	Agent      json.RawMessage `json:"agent,omitempty"`
	Mode       json.RawMessage `json:"mode,omitempty"`
	Methods    []SignInMethod  `json:"methods"`
	Tools      []Tool          `json:"tools"`
	Commands   []Command       `json:"commands"`
}

// Complete completes the configuration of OpenCode 1. What the person wrote wins.
func Complete(own Own, baseURL string, known endpoint.Models, methods []SignInMethod, p store.Places, protected guard.Protected) Completed {
	written := own.Provider
	if json.Unmarshal(written, &ordered{}) != nil {
		written = json.RawMessage("{}")
	}
	entry := merged(encode(ordered{
		{"npm", encode("@ai-sdk/openai-compatible")},
		{"name", encode(ProviderName)},
		{"options", encode(map[string]string{"baseURL": baseURL})},
	}), written)
	var complete ordered
	_ = json.Unmarshal(entry, &complete)
	complete.set("models", models(known, complete.get("models"), own.Model, own.SmallModel))

	rules := denyRulesFor(p, protected, own.Worktree)
	return Completed{
		Provider: encode(complete), Permission: rules.addTo(own.Permission),
		Agent: rules.addToAgents(own.Agent), Mode: rules.addToAgents(own.Mode),
		Methods: methods, Tools: tools, Commands: commands,
	}
}
