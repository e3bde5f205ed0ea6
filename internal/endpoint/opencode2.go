package endpoint

import (
	"cmp"
	"maps"
	"slices"
)

// A CompleteModel is a [Model] as OpenCode 2 wants it from a plugin: version 2 has no
// defaults, so everything that the endpoint does not tell is chosen here, as version 1
// chooses it.
type CompleteModel struct {
	ID            string        `json:"id"`
	ModelID       string        `json:"modelID"` // what the endpoint calls it
	ProviderID    string        `json:"providerID"`
	Name          string        `json:"name"`
	Capabilities  Capabilities  `json:"capabilities"`
	Variants      []struct{}    `json:"variants"`
	Time          Time          `json:"time"`
	Cost          []struct{}    `json:"cost"`
	Status        string        `json:"status"`
	Enabled       bool          `json:"enabled"`
	Limit         Limit         `json:"limit"`
	Compatibility Compatibility `json:"compatibility"`
}

// Capabilities are what a model can do.
type Capabilities struct {
	Tools  bool     `json:"tools"`
	Input  []string `json:"input"`
	Output []string `json:"output"`
}

// A Time is when a model was released. The newest of all models is the default one, so
// 0, for unknown, leaves the choice to the models that tell it.
type Time struct {
	Released int64 `json:"released"`
}

// Compatibility is how the endpoint differs from OpenAI's own.
type Compatibility struct {
	MaxTokensField string `json:"maxTokensField"` // older servers refuse max_completion_tokens
}

// Complete returns the models for OpenCode 2, by name.
func (m Models) Complete(provider string) []CompleteModel {
	complete := make([]CompleteModel, 0, len(m))
	for _, id := range slices.Sorted(maps.Keys(m)) {
		model := m[id]
		c := CompleteModel{
			ID: id, ModelID: id, ProviderID: provider, Name: cmp.Or(model.Name, id),
			Capabilities: Capabilities{Tools: model.ToolCall == nil || *model.ToolCall, Input: []string{"text"}, Output: []string{"text"}},
			Variants:     []struct{}{}, Cost: []struct{}{}, Status: "active", Enabled: true,
			Compatibility: Compatibility{"max_tokens"},
		}
		if model.Modalities != nil {
			c.Capabilities.Input, c.Capabilities.Output = model.Modalities.Input, model.Modalities.Output
		}
		if model.Limit != nil {
			c.Limit = *model.Limit
		}
		complete = append(complete, c)
	}
	return complete
}
