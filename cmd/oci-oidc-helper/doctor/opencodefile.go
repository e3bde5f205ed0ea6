package doctor

import "encoding/json"

// openCodeFile holds the relevant parts of a configuration file of OpenCode.
type openCodeFile struct {
	path     string
	Plugin   []pluginEntry                    `json:"plugin"`
	Model    string                           `json:"model"`
	Provider map[string]openCodeProviderEntry `json:"provider"`
	Disabled []string                         `json:"disabled_providers"`
	Enabled  []string                         `json:"enabled_providers"`

	// Only OpenCode 2 reads these, in addition to the above; it does not read the two lists.
	Plugins   []pluginEntry                    `json:"plugins"`
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

// A pluginEntry names a package or a file. In JSON it is a string, the first element of a
// list with options, or the member package of an object.
type pluginEntry string
