package config

import (
	"cmp"
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
)

// Provider is what OpenCode calls the endpoint at llm_base_url.
const Provider = endpoint.Provider

// An Endpoint is an OpenAI-compatible server that may have the session's token.
type Endpoint = endpoint.Address

// Endpoints are all endpoints, that of llm_base_url first.
func (c Config) Endpoints() []Endpoint {
	return append([]Endpoint{{BaseURL: c.BaseURL}}, c.Others...)
}

// Endpoint returns the endpoint that OpenCode calls by the provider's name, and whether
// there is one. No name is the first.
func (c Config) Endpoint(provider string) (Endpoint, bool) {
	all := c.Endpoints()
	i := slices.IndexFunc(all, func(e Endpoint) bool { return e.Provider() == cmp.Or(provider, Provider) })
	if i < 0 {
		return Endpoint{}, false
	}
	return all[i], true
}

// EndpointNetwork is how OpenCode reaches an endpoint: it shows no client certificate.
func (c Config) EndpointNetwork() network.Settings {
	return network.Settings{CAFile: c.Network.CAFile, CASum: c.Network.CASum}
}
