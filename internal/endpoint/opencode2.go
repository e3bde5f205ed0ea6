package endpoint

import (
	"cmp"
	"maps"
	"slices"
)

// A CompleteModel is a [Model] in the form that OpenCode 2 requires of a plugin. Version 2 has
// no defaults, so values that the endpoint does not give are the defaults of version 1.
type CompleteModel struct {
	ID            string        `json:"id"`
	ModelID       string        `json:"modelID"` // the endpoint's name for it
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

// Capabilities say whether a model calls tools, and what it reads and writes.
type Capabilities struct {
	Tools  bool     `json:"tools"`
	Input  []string `json:"input"`
	Output []string `json:"output"`
}

// A Time is when a model was released; 0 is unknown. OpenCode makes the newest of all models
// the default one, so a model with 0 does not become the default if another one has a date.
type Time struct {
	Released int64 `json:"released"`
}

// Compatibility says how the endpoint's API differs from OpenAI's.
type Compatibility struct {
	MaxTokensField string `json:"maxTokensField"` // older servers refuse max_completion_tokens
}

// Complete returns the models for OpenCode 2, sorted by name.
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
