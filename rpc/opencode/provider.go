// Package opencode knows what the two versions of OpenCode show of this plugin: the provider
// and its models, the ways to sign in, deny rules, and texts that fit their dialogs. It also
// knows how their fetch may send a token. It has no state and makes no requests.
package opencode

import (
	"encoding/json"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
)

const (
	// ProviderName must differ from "OCI Generative AI" in OpenCode's catalogue.
	ProviderName = "Company models (OCI identity domain)"
	// PlaceholderBaseURL is used while there is no configuration, because OpenCode requires a base URL; .invalid never resolves (RFC 6761).
	PlaceholderBaseURL = "http://oci-oidc.invalid/v1"
	// placeholderModel is used while no models are known: OpenCode does not list a provider without models, not even in /connect.
	placeholderModel = "sign-in-first"
)

// models returns the models to choose from. If the person lists models, these are taken,
// completed by what the endpoint says about them. Otherwise all models of the endpoint are
// taken, and the ones that OpenCode's configuration names as the model to use: before the
// first sign-in no others are known.
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
