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
	"net"
	"net/http"
	"net/url"
	"time"
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
