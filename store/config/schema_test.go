// This file makes the JSON Schema that the package ships for editors. "go generate
// ./store/config" writes it; the program itself does not use it.

package config

import (
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

// jsonSchema returns the JSON Schema (draft 2020-12) of the configuration file.
func jsonSchema() []byte {
	properties := map[string]map[string]any{}
	required := []string{}
	for _, key := range Keys {
		item := map[string]any{}
		if key.Pattern != "" {
			item["pattern"] = key.Pattern
		}
		if key.Values != nil {
			item["enum"] = key.Values
		}
		p := key.Type.schema(item)
		p["description"] = key.About
		if key.Default != "" {
			p["default"] = key.value(key.Default)
		}
		if key.Example != "" {
			p["examples"] = []any{key.value(key.Example)}
		}
		properties[key.Name] = p
		if key.Required {
			required = append(required, key.Name)
		}
	}
	return indented(map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"$id":                  SchemaURL,
		"title":                Name,
		"description":          "The settings of opencode-oci-oidc: where to sign in, as what, and for which endpoint.",
		"type":                 "object",
		"properties":           properties,
		"required":             required,
		"additionalProperties": false,
		// Some editors then accept trailing commas.
		"allowTrailingCommas": true,
		"allOf":               methodSchema(),
		"dependentRequired":   map[string]any{"tls_client_key": []string{"tls_client_cert"}},
	})
}

// methodSchema returns the schema's rules for the keys that each auth_method requires and
// forbids.
func methodSchema() []any {
	needs := func(key string) any { return map[string]any{"required": []string{key}} }
	lacks := func(keys ...string) any {
		none := map[string]any{}
		for _, key := range keys {
			none[key] = false
		}
		return map[string]any{"properties": none}
	}
	methods := func(then any, methods ...AuthMethod) any {
		is := map[string]any{"auth_method": map[string]any{"enum": methods}}
		return map[string]any{"if": map[string]any{"required": []string{"auth_method"}, "properties": is}, "then": then}
	}
	return []any{
		methods(lacks("client_secret", "client_key"), MobileApp, PublicApp),
		methods(needs("client_key"), PrivateKeyJWT),
		methods(lacks("client_secret"), PrivateKeyJWT),
		methods(lacks(personKeys...), ClientCredentials),
		map[string]any{
			"if":   map[string]any{"properties": map[string]any{"auth_method": map[string]any{"enum": []AuthMethod{ConfidentialApp, ClientCredentials}}}},
			"then": map[string]any{"anyOf": []any{needs("client_secret"), needs("client_key"), needs("tls_client_cert")}},
		},
		map[string]any{
			"if":   needs("client_secret"),
			"then": lacks("client_key"),
		},
	}
}

// schema returns the JSON Schema of the type. item has the constraints of each text.
func (t ValueType) schema(item map[string]any) map[string]any {
	item["type"] = "string"
	switch t {
	case Texts:
		list := map[string]any{"type": "array", "items": item, "minItems": 1}
		return map[string]any{"anyOf": []any{item, list}}
	case Flag:
		return map[string]any{"type": "boolean"}
	case Number:
		return map[string]any{"type": "integer", "minimum": 0}
	case Mapping:
		names := map[string]any{"not": map[string]any{"enum": slices.Concat(check.OwnParams, check.KeyParams)}}
		return map[string]any{"type": "object", "additionalProperties": item, "propertyNames": names}
	case Addresses:
		entry := map[string]any{"type": "object", "required": []string{"base_url"}, "additionalProperties": false,
			"properties": map[string]any{"base_url": item, "name": map[string]any{"type": "string"}, "scope": map[string]any{"type": "string", "pattern": `\S`}}}
		each := map[string]any{"anyOf": []any{item, entry}}
		return map[string]any{"type": "object", "additionalProperties": each, "propertyNames": map[string]any{"pattern": check.EndpointID}}
	default:
		return item
	}
}
