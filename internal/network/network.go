// Package network makes the connections to the identity domain and to the
// endpoint: through the proxy of the environment, with the company's own CAs
// trusted beside the system's, with a client certificate where one is configured,
// and with a limit on every step. [Diagnose] says what kept a request from its
// answer.
//
// Files are read when a connection needs them, and each time anew: what was
// renewed is used at once, and nothing is read before the first connection. The
// user name and password of a proxy are in no error.
package network

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// Settings are what the configuration says of the network: absolute paths of files
// in PEM form, or "". The proxy is the environment's business.
//
// They are a transport whose errors [Diagnose] explains. Every request has a
// connection of its own.
type Settings struct {
	CAFile     string // CAs to trust beside the system's
	CASum      string // the SHA-256 that CAFile must have, in hexadecimal; "" for any
	ClientCert string // shown to servers that ask for one, with its chain
	ClientKey  string // its private key; "" where it is in the same file
}

const (
	connectTimeout = 10 * time.Second
	headerTimeout  = 20 * time.Second
	maxHeaderSize  = 64 << 10 // bytes
)

// RoundTrip makes one request. How long it may take as a whole is the business of
// its context.
func (s Settings) RoundTrip(req *http.Request) (*http.Response, error) {
	transport, err := s.Transport(req.URL)
	if err != nil {
		return nil, err
	}
	return transport.RoundTrip(req)
}

// Transport returns a transport for requests to the URL. Its error is a problem of
// kind Config.
func (s Settings) Transport(to *url.URL) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = func(req *http.Request) (*url.URL, error) { return Proxy(req.URL) }
	// Both families of addresses are tried, 300 ms apart (RFC 8305).
	t.DialContext = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = connectTimeout
	t.ResponseHeaderTimeout = headerTimeout
	t.MaxResponseHeaderBytes = maxHeaderSize
	// Requests are rare, and a connection that died while the machine slept or
	// changed networks would cost a refresh token its certainty.
	t.DisableKeepAlives = true
	t.OnProxyConnectResponse = refusalOfProxy
	proxy, err := Proxy(to)
	if err != nil {
		return nil, err
	}
	if to.Scheme == "https" || proxy != nil && proxy.Scheme == "https" {
		if t.TLSClientConfig, err = s.tls(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (s Settings) tls() (*tls.Config, error) {
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	certificates, err := s.certificates()
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: roots, Certificates: certificates}, nil
}

// Proxy returns the proxy for requests to the URL, as HTTPS_PROXY, HTTP_PROXY and
// NO_PROXY name it, or nil; this machine is always reached directly. Its error is a
// problem of kind Config.
func Proxy(to *url.URL) (*url.URL, error) {
	if ip := net.ParseIP(to.Hostname()); to.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil, nil
	}
	// net/http goes directly where it cannot read a variable.
	name := strings.ToUpper(to.Scheme) + "_PROXY"
	for _, name := range []string{name, strings.ToLower(name)} {
		proxy, err := ParseProxy(os.Getenv(name))
		if err != nil {
			return nil, problem.New(problem.Config, name+" is not the address of a proxy.",
				"Write it as http://host:port, or http://user:password@host:port with special characters percent-encoded.")
		}
		if proxy != nil {
			password, _ := proxy.User.Password()
			secret.Remember(password)
		}
	}
	return http.ProxyFromEnvironment(&http.Request{URL: to})
}

// ParseProxy reads the value of a proxy variable as net/http does: the scheme may be
// left out. No value is no proxy. The error does not quote the value, which may hold
// a password.
func ParseProxy(value string) (*url.URL, error) {
	if value == "" {
		return nil, nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, errors.New("not the address of a proxy")
	}
	return u, nil
}

// A proxyRefusal is the answer of a proxy that makes no connection.
type proxyRefusal struct {
	status  int
	schemes []string // of authentication that it offers (RFC 9110, 11.7.1)
}

func (r *proxyRefusal) Error() string { return "the proxy answered " + http.StatusText(r.status) }

func refusalOfProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefusal{resp.StatusCode, resp.Header.Values("Proxy-Authenticate")}
}
