package endpoint

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Provider is what OpenCode calls the endpoint at llm_base_url.
const Provider = "oci-oidc"

// An Address is an endpoint as the configuration has it.
type Address struct {
	ID      string // as in endpoints; "" for llm_base_url
	Name    string // for a person to choose from; "" for llm_base_url
	BaseURL string // without a trailing slash
	Scope   string // of its own token, separated by spaces; "" for the key scope
}

// Provider is what OpenCode calls the endpoint.
func (a Address) Provider() string {
	if a.ID == "" {
		return Provider
	}
	return Provider + "-" + a.ID
}

// Key is where the address stands in the configuration.
func (a Address) Key() string {
	if a.ID == "" {
		return "llm_base_url"
	}
	return "endpoints." + a.ID
}

// CheckPath is the advice for an endpoint that has nothing at /models below its address.
func (a Address) CheckPath() string {
	if strings.HasSuffix(a.BaseURL, "/models") {
		return "Leave /models out of " + a.Key() + ": it is added by itself."
	}
	return "Check the path of " + a.Key() + ", which usually ends in /v1."
}

// Origin is where the token and the prompts go.
func (a Address) Origin() string {
	u, err := url.Parse(a.BaseURL)
	if err != nil {
		return a.BaseURL
	}
	return u.Scheme + "://" + u.Host
}

// Host is the same without the scheme.
func (a Address) Host() string {
	_, host, _ := strings.Cut(a.Origin(), "://")
	return host
}

// ByProvider are the base URLs of several addresses; nil for one alone.
func ByProvider(all []Address) map[string]string {
	if len(all) < 2 {
		return nil
	}
	urls := make(map[string]string, len(all))
	for _, a := range all {
		urls[a.Provider()] = a.BaseURL
	}
	return urls
}

// Lines are the endpoints for a person, a line each: the only one, or all by their
// providers.
func Lines(only string, byProvider map[string]string) (lines []string) {
	if len(byProvider) == 0 {
		return []string{only}
	}
	for _, provider := range slices.Sorted(maps.Keys(byProvider)) {
		lines = append(lines, byProvider[provider]+" ("+provider+")")
	}
	return lines
}

// IDs are the IDs of several addresses, in a text for people.
func IDs(all []Address) string {
	var ids []string
	for _, a := range all {
		ids = append(ids, a.ID)
	}
	return strings.Join(ids, ", ")
}

// Named is what the addresses, each with an ID, are called in a sentence.
func Named(all []Address) string {
	if len(all) > 1 {
		return "the endpoints " + IDs(all)
	}
	return "the endpoint " + IDs(all)
}
