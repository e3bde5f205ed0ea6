package check

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
)

// Defaults that the messages of this package name.
const (
	DefaultRedirectURI = "http://localhost:8888/callback"
	DefaultScope       = "openid profile offline_access"
)

// Required checks that the value of a key is present and not a placeholder.
func (c *File) Required(key, value string) string {
	switch {
	case value == "":
		c.Add(key, "is missing")
	case IsPlaceholder(value):
		c.Add(key, fmt.Sprintf("is still the placeholder %s; put your own value there", shown(value)))
	case strings.TrimSpace(value) != value || strings.ContainsAny(value, "\r\n\x00"):
		c.Add(key, "has spaces or line breaks around it; remove them")
	}
	return value
}

// shown returns a value as it may be quoted in a message. A value with an @ or a query is not
// quoted, because it may be an address with a password.
func shown(value string) string {
	switch {
	case strings.ContainsAny(value, "@?"):
		return "a text with an @ or ? in it"
	case IsPlaceholder(value):
		return value
	default:
		return strconv.Quote(value)
	}
}

// IsPlaceholder recognises the values in the example, such as <your-client-id>.
func IsPlaceholder(value string) bool {
	from, to := strings.Index(value, "<"), strings.LastIndex(value, ">")
	return from >= 0 && to > from
}

// webURL checks that value is an absolute https URL, or http on loopback.
func (c *File) webURL(key, value string) *url.URL {
	before := len(c.Lines)
	if c.Required(key, value); len(c.Lines) > before {
		return nil
	}
	u, err := network.ParseAddress(value)
	switch {
	case err != nil: // err does not quote the value, which may hold a password
		c.Add(key, fmt.Sprintf("is not a web address: %v; write it as https://host/…", err))
	case u.Scheme != "https" && u.Scheme != "http":
		c.Add(key, "is not a web address: it begins with neither https:// nor http://; write it as https://host/…")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }):
		c.Add(key, "has letters in its host that may look like others; write the host in its ASCII form (xn--…)")
	case u.User != nil:
		c.Add(key, "holds a user name or password; remove them")
	case u.RawQuery != "" || u.Fragment != "":
		c.Add(key, "has a query or fragment; remove what begins with ? or #")
	case u.Scheme == "http" && !network.Loopback(u.Hostname()):
		c.Add(key, fmt.Sprintf("is http: for %s, which anybody on the way can read and change; use https://%s", u.Host, u.Host))
	default:
		return u
	}
	return nil
}

// OriginURL checks a URL without a path, and returns it without a trailing slash.
func (c *File) OriginURL(key, value string) string {
	u := c.webURL(key, value)
	if u == nil {
		return ""
	}
	origin := u.Scheme + "://" + u.Host
	if strings.Trim(u.Path, "/") != "" {
		c.Add(key, fmt.Sprintf("has a path: %s; write only %s", shown(value), origin))
	}
	return origin
}

// BaseURL checks an endpoint's address, and returns it without trailing slashes.
func (c *File) BaseURL(key, value string) string {
	u := c.webURL(key, value)
	if u == nil {
		return ""
	}
	value = strings.TrimRight(value, "/")
	for _, path := range []string{"/chat/completions", "/completions", "/responses", "/embeddings"} {
		if base, ok := strings.CutSuffix(value, path); ok && strings.HasSuffix(strings.TrimRight(u.Path, "/"), path) {
			c.Add(key, fmt.Sprintf("ends in %s, which OpenCode adds by itself; write only %s", path, shown(base)))
			return ""
		}
	}
	return value
}

// Address checks a URL that may be missing.
func (c *File) Address(key, value string) string {
	if value != "" {
		c.webURL(key, value)
	}
	return value
}

// RedirectURIs checks each redirect URI, and that none is there twice.
func (c *File) RedirectURIs(values []string) []string {
	if len(values) == 0 {
		c.Add("redirect_uri", fmt.Sprintf("is an empty list; leave it out for %q", DefaultRedirectURI))
	}
	for i, value := range values {
		if slices.Contains(values[:i], value) {
			c.Add("redirect_uri", fmt.Sprintf("has %s twice; remove one", shown(value)))
			continue
		}
		c.redirectURI(value)
	}
	return values
}

// redirectURI checks that the URI is on loopback, where the helper can receive the redirect
// (RFC 8252, 7.3). It is not normalised, because the domain compares it with the registered
// one as text.
func (c *File) redirectURI(value string) {
	before := len(c.Lines)
	if c.Required("redirect_uri", value); len(c.Lines) > before {
		return
	}
	u, err := network.ParseAddress(value)
	if err == nil && u.Scheme == "https" && network.Loopback(u.Hostname()) {
		c.Add("redirect_uri", fmt.Sprintf("is %s, but must begin with http: — it stays on this machine", shown(value)))
		return
	}
	if err != nil || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !network.Loopback(u.Hostname()) {
		c.Add("redirect_uri", fmt.Sprintf("is %s, but must be on this machine, such as %s, "+
			"and be registered in the application exactly like that", shown(value), DefaultRedirectURI))
	}
}

// LogLevel checks log_level, and returns the level.
func (c *File) LogLevel(value string) slog.Level {
	level, ok := logging.ParseLevel(value)
	if !ok {
		c.Add("log_level", fmt.Sprintf("is %q; write one of %s", value, strings.Join(logging.Levels, ", "))+
			didYouMean(strings.ToUpper(value), logging.Levels))
	}
	return level
}

// OneOf checks that the value of a key is one of values.
func (c *File) OneOf(key, value string, values []string) string {
	if !slices.Contains(values, value) && (value != "" || c.Has(key)) {
		c.Add(key, fmt.Sprintf("is %q; write one of %s", value, strings.Join(values, ", "))+didYouMean(value, values))
	}
	return value
}
