package check

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// OwnParams are the parameters that the helper sets itself, or that would change the form of
// the answer. extra_params must not have them.
var OwnParams = []string{
	"response_type", "response_mode", "client_id", "client_secret", "client_assertion", "client_assertion_type",
	"redirect_uri", "scope", "state", "nonce", "code", "code_challenge", "code_challenge_method", "code_verifier",
	"grant_type", "refresh_token", "device_code", "token", "token_type_hint", "access_token", "id_token",
	"assertion", "subject_token", "actor_token", "username", "password", "request", "request_uri", "registration",
}

// KeyParams are the parameters that have configuration keys of their own.
var KeyParams = []string{"login_hint", "prompt", "max_age", "audience", "resource"}

// ExtraParams checks extra_params.
func (c *File) ExtraParams(params map[string]string) map[string]string {
	for name, value := range params {
		switch lower := strings.ToLower(strings.TrimSpace(name)); {
		case slices.Contains(OwnParams, lower):
			c.Add("extra_params", fmt.Sprintf("has %s, which the sign-in sets itself; remove it", lower))
		case slices.Contains(KeyParams, lower):
			c.Add("extra_params", fmt.Sprintf("has %s, which is a key of its own; write it beside extra_params", lower))
		case lower == "" || strings.ContainsFunc(name+value, isControl):
			c.Add("extra_params", fmt.Sprintf("has a parameter %q that is empty or holds a line break", name))
		}
	}
	return params
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Resources checks resource indicators (RFC 8707, 2): absolute, without a fragment.
func (c *File) Resources(values []string) []string {
	for _, value := range values {
		u, err := url.Parse(value)
		switch {
		case IsPlaceholder(value):
			c.Add("resource", fmt.Sprintf("is still the placeholder %s; put your own value there", shown(value)))
		case hasUser(value):
			c.Add("resource", userInURI)
		case err != nil, !u.IsAbs(), strings.Contains(value, "#"), strings.ContainsFunc(value, isControl):
			c.Add("resource", fmt.Sprintf("is %s, but must be an absolute URI without a fragment, such as https://llm.example.com", shown(value)))
		}
	}
	return values
}

// hasUser reports whether a value may be a URI with a user name or password in it.
func hasUser(value string) bool { return strings.Contains(value, ":") && strings.Contains(value, "@") }

const userInURI = "has a : and an @ in it, as an address with a user name or password has; remove them"

// promptValues are those of OpenID Connect Core 1.0, 3.1.2.1.
var promptValues = []string{"none", "login", "consent", "select_account"}

// Prompt checks prompt.
func (c *File) Prompt(value string) string {
	words := strings.Fields(value)
	for _, word := range words {
		if !slices.Contains(promptValues, word) {
			c.Add("prompt", fmt.Sprintf("is %q; write some of %s", value, strings.Join(promptValues, ", "))+didYouMean(word, promptValues))
			return value
		}
	}
	if len(words) > 1 && slices.Contains(words, "none") {
		c.Add("prompt", fmt.Sprintf("is %q, but none stands alone", value))
	}
	return strings.Join(words, " ")
}

// PlainText checks an optional value that is sent unchanged.
func (c *File) PlainText(key, value string) string {
	switch {
	case hasUser(value):
		c.Add(key, userInURI)
	case value != "":
		c.Required(key, value)
	}
	return value
}

// expiryScope asks Oracle's domains for a token with a lifetime in seconds.
const expiryScope = "urn:opc:resource:expiry"

// Scope checks scope.
func (c *File) Scope(value string, unattended bool) string {
	if unattended && !c.Has("scope") {
		return "" // the domain then grants the application's own default
	}
	if strings.TrimSpace(value) == "" {
		c.Add("scope", fmt.Sprintf("is empty; leave it out for %q", DefaultScope))
	}
	return c.scopes("scope", "", value)
}

// scopes checks scopes that stand in a key, or in an object there.
func (c *File) scopes(key, where, value string) string {
	scope := strings.Join(strings.Fields(value), " ")
	if scope != "" && IsPlaceholder(scope) {
		c.Add(key, fmt.Sprintf("%sis still the placeholder %s; put your own value there", where, scope))
	}
	for _, one := range strings.Fields(scope) {
		life, ok := strings.CutPrefix(one, expiryScope)
		if seconds, err := strconv.Atoi(strings.TrimPrefix(life, "=")); ok && (err != nil || seconds < 60 || !strings.HasPrefix(life, "=")) {
			c.Add(key, fmt.Sprintf("%shas %s, but the life of a token is told in seconds, 60 or more: %s=3600", where, one, expiryScope))
		}
	}
	return scope
}

// CanonicalScope returns the same text for all spellings of a scope.
func CanonicalScope(scope string) string {
	scopes := strings.Fields(scope)
	slices.Sort(scopes)
	return strings.Join(slices.Compact(scopes), " ")
}
