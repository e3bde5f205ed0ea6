package check

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
)

// Endpoints are the endpoints beside that of llm_base_url, by their IDs.
type Endpoints map[string]Endpoint

// An Endpoint is one of them, which the file has as its base URL alone or as an object.
type Endpoint struct {
	BaseURL string `json:"base_url"`
	Name    string `json:"name,omitempty"`
}

// setEndpoints puts the value of endpoints into the file's field, or says what is wrong
// with its form.
func setEndpoints(into *Endpoints, value any) (what string) {
	const form = `must be names with a base URL each in { }, such as {"qwen": "https://qwen.example.com/v1"}`
	object, ok := value.(map[string]any)
	if !ok {
		return form
	}
	*into = make(Endpoints, len(object))
	for _, id := range slices.Sorted(maps.Keys(object)) {
		entry := Endpoint{}
		switch value := object[id].(type) {
		case string:
			entry.BaseURL = value
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(value)) {
				text, isText := value[key].(string)
				switch {
				case key == "scope":
					return fmt.Sprintf("has a scope in %s, but all endpoints share the session's token; write it into the key scope beside endpoints", id)
				case key != "base_url" && key != "name":
					return fmt.Sprintf("has an unknown key %s in %s; base_url and name are known", key, id)
				case !isText:
					return fmt.Sprintf("has a %s in %s that must be text in quotes", key, id)
				case key == "base_url":
					entry.BaseURL = text
				default:
					entry.Name = text
				}
			}
		default:
			return form
		}
		(*into)[id] = entry
	}
	return ""
}

// EndpointID is the pattern of an ID, which is part of the provider's name in OpenCode and
// of the gateway's paths.
const EndpointID = `^[a-z0-9]+(-[a-z0-9]+)*$`

var endpointID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(EndpointID) })

// Written are endpoints as the file has them.
func Written(all []endpoint.Address) Endpoints {
	written := make(Endpoints, len(all))
	for _, e := range all {
		written[e.ID] = Endpoint{e.BaseURL, e.Name}
	}
	return written
}

// Endpoints checks each of them like llm_base_url, and returns those that are right, by
// their IDs.
func (c *File) Endpoints(written Endpoints) (right []endpoint.Address) {
	for _, id := range slices.Sorted(maps.Keys(written)) {
		e, key := written[id], "endpoints."+id
		c.at[key] = c.offsetWithin("endpoints", id)
		switch {
		case !endpointID().MatchString(id):
			c.Add("endpoints", fmt.Sprintf("has the name %q; write it with small letters, digits and dashes between them", id))
		case strings.ContainsFunc(e.Name, unicode.IsControl):
			c.Add(key, "has a name with a line break or control character; remove it")
		case e.BaseURL == "":
			c.Add(key, "has no base_url; write the endpoint's address, which usually ends in /v1")
		default:
			name := cmp.Or(e.Name, id+" (company models)")
			right = append(right, endpoint.Address{ID: id, Name: name, BaseURL: c.BaseURL(key, e.BaseURL)})
		}
	}
	return right
}

// offsetWithin is where a name stands in the object of a key, or else where the key does.
func (c *File) offsetWithin(key, name string) int {
	from := c.at[key]
	return from + max(0, strings.Index(string(c.plain[min(from, len(c.plain)):]), `"`+name+`"`))
}
