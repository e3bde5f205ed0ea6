package config

import (
	"cmp"
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
)

// Provider is the ID of OpenCode's provider for the endpoint at llm_base_url.
const Provider = endpoint.Provider

// An Endpoint is an OpenAI-compatible server to which the session's token may be sent.
type Endpoint = endpoint.Address

// Endpoints returns all endpoints, beginning with llm_base_url.
func (c Config) Endpoints() []Endpoint {
	return append([]Endpoint{{BaseURL: c.BaseURL}}, c.Others...)
}

// Endpoint returns the endpoint for a provider of OpenCode, and whether there is one. An
// empty provider means llm_base_url.
func (c Config) Endpoint(provider string) (Endpoint, bool) {
	all := c.Endpoints()
	i := slices.IndexFunc(all, func(e Endpoint) bool { return e.Provider() == cmp.Or(provider, Provider) })
	if i < 0 {
		return Endpoint{}, false
	}
	return all[i], true
}

// EndpointNetwork returns the network settings for endpoints. They have no client
// certificate, because OpenCode sends none either.
func (c Config) EndpointNetwork() network.Settings {
	return network.Settings{CAFile: c.Network.CAFile, CASum: c.Network.CASum}
}
