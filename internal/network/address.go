package network

import (
	"errors"
	"net"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/http/httpproxy"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// ProxyVariables are the environment variables for proxies, in upper or lower case. ALL_PROXY
// has no effect, as in OpenCode.
var ProxyVariables = []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"}

// The errors of an address. Their texts follow "NAME is malformed: ", and quote nothing of the
// value, which may contain a password.
var (
	errUserPart = errors.New("it has an @ after a /, \\, ? or #, so that its user name or password cannot be told from its host")
	errNoWeb    = errors.New("it has no host, or characters that no address has")
	errPort     = errors.New("its port is not a number from 1 to 65535")
	errHost     = errors.New("its host has characters that no host name has")
)

// ParseAddress parses a URL that a person wrote. Its error quotes nothing of the value, which
// may contain a password. It is stricter than net/url: if a password has an unescaped /, ? or
// #, net/url takes its beginning for host and port, and quotes the value in its errors.
func ParseAddress(value string) (*url.URL, error) {
	u, err := parseAddress(value)
	if err != nil {
		rememberPieces(value)
	}
	return u, err
}

func parseAddress(value string) (*url.URL, error) {
	_, rest, _ := strings.Cut(value, "//")
	if end := strings.IndexAny(rest, `/?#\`); end >= 0 && strings.Contains(rest[end:], "@") {
		return nil, errUserPart
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme == "":
		return nil, errNoWeb
	case !portOK(u.Port()) || strings.HasSuffix(u.Host, ":"):
		return nil, errPort
	case !hostOK(u.Hostname()):
		return nil, errHost
	}
	return u, nil
}

func portOK(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && 0 < n && n < 1<<16
}

func hostOK(host string) bool {
	address, _, _ := strings.Cut(host, "%") // the zone of an IPv6 address
	return net.ParseIP(address) != nil || !strings.ContainsFunc(host, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '.' && r != '_'
	})
}

// rememberPieces registers the user part of a malformed address for redaction, and every part
// that another program may take for a host, a port or a password and print.
func rememberPieces(value string) {
	if _, after, ok := strings.Cut(value, "//"); ok {
		value = after
	}
	if at := strings.LastIndex(value, "@"); at > 0 {
		secret.Remember(value[:at])
		secret.Remember(strings.FieldsFunc(value[:at], func(r rune) bool { return strings.ContainsRune(`:/?#@\ `, r) })...)
	}
}

// ParseProxy parses the value of a proxy variable, in which the scheme may be missing as in
// net/http. It returns nil for "". Its errors are like those of [ParseAddress].
func ParseProxy(value string) (*url.URL, error) {
	if value == "" {
		return nil, nil
	}
	if err := noProxyAddress(value); err != nil {
		rememberPieces(value)
		return nil, err
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := ParseAddress(value)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		rememberPieces(value)
		return nil, errors.New("its scheme is none of http, https and socks5")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		rememberPieces(value)
		return nil, errors.New("it has a ? or # in it")
	}
	password, _ := u.User.Password()
	secret.Remember(password)
	return u, nil
}

// noProxyAddress returns an error for values that people put into proxy variables by mistake,
// such as the URL of a PAC file, or nil.
func noProxyAddress(value string) error {
	lower := strings.ToLower(value)
	_, rest, _ := strings.Cut(lower, "://")
	host := rest[strings.LastIndex(rest, "@")+1:]
	switch {
	case strings.Trim(value, " \t\r\n\"'`") != value:
		return errors.New("it has quotes or white space around it")
	case slices.Contains([]string{"direct", "none", "no", "off", "false", "0", "null", "undefined", "disabled"}, lower):
		return errors.New("it is a word and not an address; unset it where there is no proxy")
	case strings.HasPrefix(lower, "pac+"), strings.HasPrefix(lower, "file:"), strings.HasSuffix(lower, ".pac"), strings.HasSuffix(lower, "/wpad.dat"):
		return errors.New("it names a PAC file, which neither this program nor OpenCode reads; name the proxy that is in it")
	case strings.HasPrefix(lower, "http/"), strings.HasPrefix(lower, "https/"):
		return errNoWeb // a colon is missing, and the host would be http
	case strings.HasPrefix(lower, "proxy "), strings.HasPrefix(lower, "http="), strings.HasPrefix(lower, "https="), strings.ContainsAny(host, ",;"):
		return errors.New("it has more than the address of one proxy")
	}
	return nil
}

// Shown formats a proxy for people, without its user name and password.
func Shown(proxy *url.URL) string {
	if proxy.User == nil {
		return proxy.Scheme + "://" + proxy.Host
	}
	return proxy.Scheme + "://" + proxy.Host + ", with a user name and password"
}

// CheckProxyVariable returns the problem with the value of one of [ProxyVariables], or nil. A
// pattern in NO_PROXY is a problem only if it matches the host, which would go through the proxy
// against the person's will. An empty host is for all that does not depend on one.
func CheckProxyVariable(name, value, host string) *problem.Problem {
	if strings.EqualFold(name, "NO_PROXY") {
		for _, entry := range directHosts(value) {
			_, _, noNetwork := net.ParseCIDR(entry)
			pattern := entry != "*" && noNetwork != nil && strings.ContainsAny(strings.TrimPrefix(entry, "*."), "*/")
			before, _, _ := strings.Cut(strings.ToLower(entry), "/")
			about, _ := path.Match(before, strings.ToLower(host))
			if strings.ContainsAny(entry, "@?#") || strings.Contains(entry, "://") || pattern && about {
				rememberPieces(value)
				return problem.New(problem.Config, name+" is malformed: it has an entry that is not a host.",
					"Write host names, domains such as .example.com or IP addresses, with commas between them, and no other * or /.")
			}
		}
		return nil
	}
	if _, err := ParseProxy(value); err != nil {
		return problem.New(problem.Config, name+" is malformed: "+err.Error()+".",
			"Write it as http://host:port or http://user:password@host:port. If its user name or password has a special character, "+
				"percent-encode it: / as %2F, ? as %3F, # as %23, @ as %40, % as %25, \\ as %5C.")
	}
	return nil
}

// directHosts returns the entries of NO_PROXY. They should be separated by commas, but people
// also use white space, semicolons and the | of Java, files of variables for containers keep
// quotes, and a name copied from an address or a zone ends in a slash or dot.
func directHosts(value string) []string {
	entries := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(`,，;|"'`, r) || unicode.IsSpace(r) })
	for i, entry := range entries {
		entries[i] = strings.TrimSuffix(strings.TrimSuffix(entry, "/"), ".")
	}
	return entries
}

// Proxy returns the proxy for requests to the URL, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY,
// or nil for none. There is never one for this machine. Its error is a problem of kind Config.
func Proxy(to *url.URL) (*url.URL, error) {
	if Loopback(to.Hostname()) {
		return nil, nil
	}
	// Package httpproxy ignores a malformed variable and connects directly.
	for _, capitals := range []string{strings.ToUpper(to.Scheme) + "_PROXY", "NO_PROXY"} {
		for _, name := range []string{capitals, strings.ToLower(capitals)} {
			if wrong := CheckProxyVariable(name, os.Getenv(name), to.Hostname()); wrong != nil {
				return nil, wrong
			}
		}
	}
	settings := httpproxy.FromEnvironment()
	settings.NoProxy = strings.Join(directHosts(settings.NoProxy), ",")
	proxy, err := settings.ProxyFunc()(to)
	if err != nil { // in a CGI program HTTP_PROXY may come from a request header
		return nil, problem.New(problem.Config, "HTTP_PROXY is not used, because REQUEST_METHOD is set as for a CGI program.", "Unset REQUEST_METHOD, or HTTP_PROXY.")
	}
	return proxy, nil
}

// Loopback reports whether a URL's host is this machine: a loopback address or localhost.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
