package domaintest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A scope is one that the domain knows.
type scope struct {
	name      string // as the access token tells it, without the audience
	audience  string // empty for a scope of the domain itself
	noRefresh bool   // the resource does not allow token refresh
}

// parseScopes returns the scopes that text asks for (RFC 6749, section 3.3): those
// of the domain and those of at most one resource.
func (o *Options) parseScopes(text string) ([]scope, *refusal) {
	var scopes []scope
	for _, asked := range strings.Fields(text) {
		found, ok := o.scope(asked)
		if !ok {
			return nil, badRequest("invalid_scope", "The scope "+asked+" is not known.")
		}
		scopes = append(scopes, found)
	}
	if len(scopes) == 0 {
		return nil, badRequest("invalid_scope", "The request has no scope.")
	}
	if len(audiences(scopes)) > 1 {
		return nil, badRequest("invalid_scope", "The scopes belong to more than one resource.")
	}
	return scopes, nil
}

// scope returns the scope that is written as asked.
func (o *Options) scope(asked string) (scope, bool) {
	if slices.Contains(identityScopes, asked) || strings.HasPrefix(asked, "urn:opc:") {
		return scope{name: asked}, true
	}
	for _, resource := range o.Resources {
		name, ok := strings.CutPrefix(asked, resource.Audience)
		if ok && slices.Contains(resource.Scopes, name) {
			return scope{name, resource.Audience, resource.NoTokenRefresh}, true
		}
	}
	return scope{}, false
}

// resources returns what a request asks a token for (RFC 8707, section 2), if the
// domain knows that parameter.
func (o *Options) resources(form url.Values) ([]string, *refusal) {
	if !o.ResourceIndicators {
		return nil, nil
	}
	for _, asked := range form["resource"] {
		if !slices.ContainsFunc(o.Resources, func(r Resource) bool { return r.Audience == asked }) {
			return nil, badRequest("invalid_target", "The resource "+asked+" is not known.")
		}
	}
	return form["resource"], nil
}

// expiryScope asks for another life of the access token, in seconds.
const expiryScope = "urn:opc:resource:expiry="

// life is how many seconds an access token for scopes lives.
func (o *Options) life(scopes []scope) int {
	for _, one := range scopes {
		if life, ok := strings.CutPrefix(one.name, expiryScope); ok {
			if n, err := strconv.Atoi(life); err == nil {
				return n
			}
		}
	}
	return o.ExpiresIn
}

// audiences returns the audiences of the resources among scopes, each once.
func audiences(scopes []scope) []string {
	var found []string
	for _, s := range scopes {
		if s.audience != "" && !slices.Contains(found, s.audience) {
			found = append(found, s.audience)
		}
	}
	return found
}
