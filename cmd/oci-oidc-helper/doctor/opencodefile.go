package doctor

import "encoding/json"

// openCodeFile is what matters here of one of OpenCode's configurations.
type openCodeFile struct {
	path     string
	Plugin   []pluginEntry                    `json:"plugin"`
	Model    string                           `json:"model"`
	Provider map[string]openCodeProviderEntry `json:"provider"`

	Plugins   []pluginEntry                    `json:"plugins"` // of OpenCode 2 alone, which reads both
	Providers map[string]openCodeProviderEntry `json:"providers"`
}

type openCodeProviderEntry struct {
	Models  map[string]json.RawMessage `json:"models"`
	Options struct {
		BaseURL string `json:"baseURL"`
	} `json:"options"`
	Settings struct { // OpenCode 2
		BaseURL string `json:"baseURL"`
	} `json:"settings"`
}

// A pluginEntry is a package or file, alone or at the front of a list with options.
type pluginEntry string
