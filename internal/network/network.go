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
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

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
	transport.DisableCompression = true // answerBody unpacks
	var seen handshake
	if config := transport.TLSClientConfig; config != nil {
		seen.watch(config)
	}
	trace := &httptrace.ClientTrace{
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				seen.connected.Store(true)
			}
		},
		GotFirstResponseByte: func() { seen.answered.Store(true) },
		TLSHandshakeStart:    func() { seen.begun.Store(true) },
		TLSHandshakeDone:     func(_ tls.ConnectionState, err error) { seen.ended.Store(err == nil) },
	}
	resp, err := transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if err != nil {
		if seen.answered.Load() {
			err = aboutAnswer(err)
		}
		return nil, &failure{err, &seen}
	}
	resp.Body = newAnswerBody(resp)
	return resp, nil
}

// A handshake is what was seen of one. What a server does not accept of it, or why, it
// may not tell: in TLS 1.3 the client has ended its part when the server judges the
// client certificate, and the alert may be lost in the reset of the connection.
type handshake struct {
	connected    atomic.Bool // by TCP, perhaps to a proxy
	begun, ended atomic.Bool
	answered     atomic.Bool // the server, after the handshake
	asked        atomic.Bool // the server wants a client certificate
}

// watch makes the configuration note whether the server asks for a certificate.
func (h *handshake) watch(config *tls.Config) {
	certificates := config.Certificates
	config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		h.asked.Store(true)
		for i := range certificates {
			if info.SupportsCertificate(&certificates[i]) == nil {
				return &certificates[i], nil
			}
		}
		if len(certificates) > 0 {
			return &certificates[0], nil // the server says best what is wrong with it
		}
		return &tls.Certificate{}, nil
	}
}

// A failure is the error of a request, with what was seen of its handshake.
type failure struct {
	error
	*handshake
}

func (f *failure) Unwrap() error { return f.error }

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
	certificates, err := s.clientCertificates()
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
