// Package opencode knows what the two versions of OpenCode show of this plugin: the
// provider and its models, the ways to sign in, rules that deny, texts that fit their
// dialogs, and how their fetch may send a token. It keeps nothing and asks nobody.
package opencode

import (
	"encoding/json"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
)

// What OpenCode is told of this plugin's provider.
const (
	// ProviderName is distinct from "OCI Generative AI" in OpenCode's catalogue.
	ProviderName = "Company models (OCI identity domain)"
	// PlaceholderBaseURL stands there because OpenCode wants a base URL before anything is known; .invalid never resolves (RFC 6761).
	PlaceholderBaseURL = "http://oci-oidc.invalid/v1"
	// OpenCode lists no provider without a model, not even in /connect.
	placeholderModel = "sign-in-first"
)

// models are those to choose from: those that the person lists, with what the endpoint
// tells of them beneath; without a list, all that the endpoint tells, and what was named
// as the model to use, which may be known to nobody before the first sign-in.
func models(known endpoint.Models, listed json.RawMessage, provider string, named ...string) json.RawMessage {
	var own, all ordered
	_ = json.Unmarshal(listed, &own)
	for _, m := range own {
		id := m.key
		var entry struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(m.value, &entry) == nil && entry.ID != "" {
			id = entry.ID
		}
		if model, ok := known[id]; ok {
			m.value = merged(encode(model), m.value)
		}
		all = append(all, m)
	}
	if len(own) > 0 {
		return encode(all)
	}
	for _, name := range named {
		if id, ours := strings.CutPrefix(name, provider+"/"); ours {
			all.set(id, json.RawMessage("{}"))
		}
	}
	var told ordered
	_ = json.Unmarshal(encode(known), &told)
	for _, m := range told {
		all.set(m.key, m.value)
	}
	if len(all) == 0 {
		all.set(placeholderModel, encode(map[string]string{"name": "Sign in with /connect"}))
	}
	return encode(all)
}
