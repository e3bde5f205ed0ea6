package config

import (
	"cmp"
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

// Provider is the ID of OpenCode's provider for the endpoint at llm_base_url.
const Provider = endpoint.Provider

// An Endpoint is an OpenAI-compatible server to which the token of its session may be sent.
type Endpoint = endpoint.Address

// Endpoints returns all endpoints, beginning with llm_base_url.
func (c Config) Endpoints() []Endpoint {
	if c.Session != "" {
		return c.Others
	}
	return append([]Endpoint{{BaseURL: c.BaseURL}}, c.Others...)
}

// Sessions returns the configurations of the sessions, one for each scope: with this scope,
// and with only those endpoints that take its token. The first is that of llm_base_url; in
// the others Session is the ID of the first endpoint.
func (c Config) Sessions() []Config {
	first := c
	first.Others = nil
	all := []Config{first}
	for _, e := range c.Others {
		i := slices.IndexFunc(all, func(s Config) bool {
			return e.Scope == "" && s.Session == "" || check.CanonicalScope(s.Scope) == check.CanonicalScope(e.Scope)
		})
		if i < 0 {
			own := first
			own.Session, own.Scope, own.BaseURL = e.ID, e.Scope, e.BaseURL
			i, all = len(all), append(all, own)
		}
		all[i].Others = append(all[i].Others, e)
	}
	return all
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

// EndpointNetwork returns the network settings for the endpoints as OpenCode reaches them: it
// sends no client certificate. The gateway does, with c.Network.
func (c Config) EndpointNetwork() network.Settings {
	return network.Settings{CAFile: c.Network.CAFile, CASum: c.Network.CASum}
}

// ScopeKey is where a session's scope stands in the configuration.
func (c Config) ScopeKey() string {
	if c.Session == "" {
		return "scope"
	}
	return "the scope of endpoints." + c.Session
}
