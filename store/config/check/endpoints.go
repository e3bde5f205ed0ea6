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

// EndpointID is the pattern of an endpoint's ID, which is a part of the provider's ID in
// OpenCode and of the gateway's paths.
const EndpointID = `^[a-z0-9]+(-[a-z0-9]+)*$`

var endpointID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(EndpointID) })

// Written converts endpoints to the form of the file.
func Written(all []endpoint.Address) Endpoints {
	written := make(Endpoints, len(all))
	for _, e := range all {
		written[e.ID] = Endpoint{e.BaseURL, e.Name, e.Scope}
	}
	return written
}

// Endpoints checks each endpoint like llm_base_url, and returns them sorted by ID.
func (c *File) Endpoints(written Endpoints) (right []endpoint.Address) {
	from := c.of("endpoints")
	for _, id := range slices.Sorted(maps.Keys(written)) {
		e, key := written[id], "endpoints."+id
		from.at[key] = from.offsetWithin("endpoints", id)
		switch {
		case !endpointID().MatchString(id):
			c.Add("endpoints", fmt.Sprintf("has the name %q; write it with small letters, digits and dashes between them", id))
		case strings.ContainsFunc(e.Name, unicode.IsControl):
			c.Add(key, "has a name with a line break or control character; remove it")
		case e.BaseURL == "":
			c.Add(key, "has no base_url; write the endpoint's address, which usually ends in /v1")
		default:
			name := cmp.Or(e.Name, id+" (company models)")
			right = append(right, endpoint.Address{ID: id, Name: name, BaseURL: c.BaseURL(key, e.BaseURL), Scope: c.scopes(key, "has a scope that ", e.Scope)})
		}
	}
	return right
}

// offsetWithin returns the offset of a name in the object that is the key's value, or else
// that of the key.
func (c *File) offsetWithin(key, name string) int {
	from := c.at[key]
	return from + max(0, strings.Index(string(c.plain[min(from, len(c.plain)):]), `"`+name+`"`))
}
