package store

import (
	"encoding/json"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
)

// SchemaURL is where editors find the JSON Schema of the configuration: in the
// published package.
const SchemaURL = "https://unpkg.com/opencode-oci-oidc/oci-auth.config.schema.json"

// A ConfigKey is what there is to know of one key of the configuration. The
// comments of a new configuration and the JSON Schema are made of it.
type ConfigKey struct {
	Name     string
	About    string   // for a person, in one or more sentences
	Default  string   // "" for none
	Required bool     // whatever the other keys say
	Values   []string // all that are allowed; nil where any text may stand
	Pattern  string   // a regular expression that every value matches; "" for none
	Example  string   // a value that shows the form
}

const (
	originPattern = `^(https://|http://(localhost|127\.|\[::1\]))[^/?#@<>]+/?$`
	webPattern    = `^(https://|http://(localhost|127\.|\[::1\]))[^?#@<>]+$`
	loopPattern   = `^http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?(/[^?#]*)?$`
)

// ConfigKeys are all keys, in the order in which a person fills them in.
var ConfigKeys = []ConfigKey{
	{Name: "domain_url", Required: true, Pattern: originPattern,
		About:   "The address of the identity domain, without a path, from its page in the OCI console.",
		Example: "https://idcs-00000000000000000000000000000000.identity.oraclecloud.com"},
	{Name: "client_id", Required: true, Pattern: `^[^\s<>]+$`,
		About:   "The client ID of the integrated application in that domain.",
		Example: "0123456789abcdef0123456789abcdef"},
	{Name: "client_secret",
		About: "The client secret, for a confidential_app only: best \"{file:PATH}\", a file that only you can read " +
			"(chmod 600), or else the text itself.",
		Example: "{file:~/.secrets/oci-client-secret}"},
	{Name: "auth_method", Default: string(ConfidentialApp), Values: []string{string(ConfidentialApp), string(MobileApp)},
		About: "What kind of application it is: a confidential_app has a client secret, a mobile_app has none."},
	{Name: "redirect_uri", Default: DefaultRedirectURI, Pattern: loopPattern,
		About: "Where the browser brings the answer: on this machine, and registered with the application letter for letter."},
	{Name: "scope", Default: DefaultScope,
		About: "What to ask the domain for, separated by spaces. offline_access lets the session last beyond one token; " +
			"the endpoint usually wants a scope of its own, added here: the resource's audience and the scope's name written together."},
	{Name: "llm_base_url", Required: true, Pattern: webPattern,
		About:   "The OpenAI-compatible endpoint. The token goes to its origin and nowhere else.",
		Example: "https://llm.example.com/v1"},
	{Name: "log_level", Default: DefaultLogLevel, Values: logging.Levels,
		About: "How much is logged. NONE writes nothing, VERBOSE most."},
	{Name: "log_file",
		About: "Another place for the log than ~/oci-oidc-debug.log (Linux, macOS) or " +
			`%LOCALAPPDATA%\opencode-oci-oidc\plugin.log (Windows).`,
		Example: "~/oci-oidc-debug.log"},
	{Name: "$schema", About: "The JSON Schema of this file, for editors.", Example: SchemaURL},
}

// ConfigSchema returns the JSON Schema (draft 2020-12) of the configuration file.
func ConfigSchema() []byte {
	type property struct {
		Type        string   `json:"type"`
		Description string   `json:"description"`
		Default     string   `json:"default,omitempty"`
		Enum        []string `json:"enum,omitempty"`
		Pattern     string   `json:"pattern,omitempty"`
		Examples    []string `json:"examples,omitempty"`
	}
	properties := map[string]property{}
	required := []string{}
	for _, key := range ConfigKeys {
		p := property{Type: "string", Description: key.About, Default: key.Default, Enum: key.Values, Pattern: key.Pattern}
		if key.Example != "" {
			p.Examples = []string{key.Example}
		}
		properties[key.Name] = p
		if key.Required {
			required = append(required, key.Name)
		}
	}
	only := func(key, value string) map[string]any {
		return map[string]any{"required": []string{key}, "properties": map[string]any{key: map[string]any{"const": value}}}
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"$id":                  SchemaURL,
		"title":                ConfigName,
		"description":          "The settings of opencode-oci-oidc: where to sign in, as what, and for which endpoint.",
		"type":                 "object",
		"properties":           properties,
		"required":             required,
		"additionalProperties": false,
		// Editors that understand it let comments and trailing commas stand.
		"allowTrailingCommas": true,
		"if":                  only("auth_method", string(MobileApp)),
		"else":                map[string]any{"required": []string{"client_secret"}},
	})
	return []byte(text.String())
}
