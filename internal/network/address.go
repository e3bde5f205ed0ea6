package network

import (
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/http/httpproxy"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// ProxyVariables name proxies, and what is reached without one. They are read in
// capitals and in small letters. ALL_PROXY is not read, here as in OpenCode.
var ProxyVariables = []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"}

// What is wrong with an address. The texts follow a variable or key and "is
// malformed: ", and quote nothing of the value, which may hold a password.
var (
	errUserPart = errors.New("it has an @ after a /, \\, ? or #, so that its user name or password cannot be told from its host")
	errNoWeb    = errors.New("it has no host, or characters that no address has")
	errPort     = errors.New("its port is not a number from 1 to 65535")
	errHost     = errors.New("its host has characters that no host name has")
)

// ParseAddress reads a web address that a person wrote. It returns one whose host is
// a host for certain, or an error that quotes nothing of the value: net/url takes the
// beginning of a password with an unescaped /, ? or # for a host and port, and quotes
// the whole where it understands nothing.
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

// rememberPieces makes the user part of a malformed address known as a secret, and
// whatever a program may take for a host, a port or a password in it.
func rememberPieces(value string) {
	if _, after, ok := strings.Cut(value, "//"); ok {
		value = after
	}
	if at := strings.LastIndex(value, "@"); at > 0 {
		secret.Remember(value[:at])
		secret.Remember(strings.FieldsFunc(value[:at], func(r rune) bool { return strings.ContainsRune(`:/?#@\ `, r) })...)
	}
}

// ParseProxy reads the value of a proxy variable as net/http does: the scheme may be
// left out. No value is no proxy. Its error is that of [ParseAddress].
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

// noProxyAddress says what a value is that people put into a proxy variable and that no
// program takes there, or nil.
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
	case strings.HasPrefix(lower, "proxy "), strings.HasPrefix(lower, "http="), strings.HasPrefix(lower, "https="), strings.ContainsAny(host, ",;"):
		return errors.New("it has more than the address of one proxy")
	}
	return nil
}

// Shown is a proxy without its user name and password.
func Shown(proxy *url.URL) string {
	if proxy.User == nil {
		return proxy.Scheme + "://" + proxy.Host
	}
	return proxy.Scheme + "://" + proxy.Host + ", with a user name and password"
}

// CheckProxyVariable says what is wrong with the value of a variable, or nil.
func CheckProxyVariable(name, value string) *problem.Problem {
	if strings.EqualFold(name, "NO_PROXY") {
		for _, entry := range directHosts(value) {
			if strings.ContainsAny(entry, "@?#") || strings.Contains(entry, "://") {
				rememberPieces(value)
				return problem.New(problem.Config, name+" is malformed: it has an entry that is not a host.",
					"Write host names, domains such as .example.com or IP addresses, with commas between them.")
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

// directHosts are the entries of NO_PROXY. They should have commas between them; white
// space and semicolons are what people write as well.
func directHosts(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
}

// Proxy returns the proxy for requests to the URL, as HTTPS_PROXY, HTTP_PROXY and
// NO_PROXY name it, or nil; this machine is always reached directly. Its error is a
// problem of kind Config.
func Proxy(to *url.URL) (*url.URL, error) {
	if ip := net.ParseIP(to.Hostname()); to.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil, nil
	}
	// httpproxy goes directly where it cannot read a variable.
	for _, capitals := range []string{strings.ToUpper(to.Scheme) + "_PROXY", "NO_PROXY"} {
		for _, name := range []string{capitals, strings.ToLower(capitals)} {
			if wrong := CheckProxyVariable(name, os.Getenv(name)); wrong != nil {
				return nil, wrong
			}
		}
	}
	settings := httpproxy.FromEnvironment()
	settings.NoProxy = strings.Join(directHosts(settings.NoProxy), ",")
	proxy, err := settings.ProxyFunc()(to)
	if err != nil { // in a CGI program, where anybody could have set HTTP_PROXY
		return nil, problem.New(problem.Config, "HTTP_PROXY is not used, because REQUEST_METHOD is set as for a CGI program.", "Unset REQUEST_METHOD, or HTTP_PROXY.")
	}
	return proxy, nil
}

// Loopback reports whether a URL's host is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
