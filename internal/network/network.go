// Package network makes the connections to the identity domain and to the endpoint: through
// the proxy in the environment, trusting the company's CAs in addition to the system's, with a
// client certificate if one is configured, and with a timeout for each step.
// [Settings.Diagnose] explains why a request got no answer.
//
// [Settings.RoundTrip] reads the files of certificates anew for each connection, so that renewed
// ones are used at once. A transport that is kept has to be replaced when [Settings.Stamp]
// changes. Errors never contain the user name or password of a proxy.
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

// RoundTrip implements [http.RoundTripper]. It limits the time of each step (connecting, TLS
// handshake, response header); the request's context limits the whole.
func (s Settings) RoundTrip(req *http.Request) (*http.Response, error) {
	transport, err := s.Transport(req.URL)
	if err != nil {
		return nil, err
	}
	transport.DisableCompression = true // answerBody decompresses
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
		TLSHandshakeStart:    func() { seen.begun.Add(1) },
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

// A handshake records the progress of a connection, to explain an error. The error alone is
// not enough: in TLS 1.3 the server checks the client certificate after the client has
// finished its handshake, and its alert may be lost when it resets the connection.
type handshake struct {
	connected atomic.Bool  // a TCP connection was made, perhaps to a proxy
	begun     atomic.Int32 // TLS handshakes that began: with an https proxy, and with the server
	ended     atomic.Bool  // the last of them ended without an error
	answered  atomic.Bool  // the first byte of a response arrived
	asked     atomic.Bool  // the proxy or the server requested a client certificate
}

// passed reports whether a connection to an https URL got past its proxy, to the handshake with
// the server.
func (h *handshake) passed(proxy *url.URL) bool {
	if proxy.Scheme == "https" {
		return h.begun.Load() > 1
	}
	return h.begun.Load() > 0
}

// watch changes the configuration so that it records a request for a client certificate.
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
			return &certificates[0], nil // none fits, and the server's alert will say why
		}
		return &tls.Certificate{}, nil
	}
}

// A failure is the error of a request, with the progress of its connection.
type failure struct {
	error
	*handshake
}

func (f *failure) Unwrap() error { return f.error }

// Transport returns a transport for requests to the URL, without keep-alive. Its error is a
// problem of kind Config.
func (s Settings) Transport(to *url.URL) (*http.Transport, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = func(req *http.Request) (*url.URL, error) { return Proxy(req.URL) }
	// The dialer tries IPv6 and IPv4 addresses, 300 ms apart (RFC 8305).
	t.DialContext = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = connectTimeout
	t.ResponseHeaderTimeout = headerTimeout
	t.MaxResponseHeaderBytes = maxHeaderSize
	// Requests are rare. If an idle connection broke while the machine slept or changed
	// networks, it would be unknown whether a refresh sent over it used up the token.
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
	config := &tls.Config{RootCAs: roots}
	if s.ClientCert != "" {
		certificate, err := s.ReadClientCertificate()
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// A proxyRefusal is the error of a proxy that refuses a CONNECT request.
type proxyRefusal struct {
	status  int
	schemes []string // values of Proxy-Authenticate (RFC 9110, 11.7.1)
}

func (r *proxyRefusal) Error() string { return "the proxy answered " + http.StatusText(r.status) }

func refusalOfProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyRefusal{resp.StatusCode, resp.Header.Values("Proxy-Authenticate")}
}
