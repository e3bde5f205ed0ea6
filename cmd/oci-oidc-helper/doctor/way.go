package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
)

// A way is one request on a fresh connection, step by step.
type way struct {
	host   string // host:port as in the address
	proxy  *url.URL
	status int
	header http.Header
	err    error

	mu        sync.Mutex // several addresses may be dialled at once, and go on behind
	went      []string   // what went well, with its time
	resolving time.Time
	dialing   map[string]time.Time
	shaking   time.Time
}

func (w *way) note(format string, args ...any) { w.went = append(w.went, fmt.Sprintf(format, args...)) }

// steps is what went well.
func (w *way) steps() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.went)
}

// travel makes a GET request. Redirects are not followed.
func travel(ctx context.Context, address string, header http.Header) *way {
	began, w := time.Now(), &way{dialing: map[string]time.Time{}}
	transport := oidc.NewTransport()
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, w.trace()), http.MethodGet, address, nil)
	if err != nil {
		w.err = err
		return w
	}
	w.host = req.URL.Host
	if header != nil {
		req.Header = header
	}
	if transport.Proxy != nil {
		w.proxy, _ = transport.Proxy(req)
	}
	if w.proxy != nil {
		w.note("through the proxy %s", w.proxy.Redacted())
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		w.err = err
		return w
	}
	defer resp.Body.Close()
	w.status, w.header = resp.StatusCode, resp.Header
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("HTTP %d, %s in all", w.status, took(began))
	return w
}

func (w *way) trace() *httptrace.ClientTrace {
	locked := func(f func()) {
		w.mu.Lock()
		defer w.mu.Unlock()
		f()
	}
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { locked(func() { w.resolving = time.Now() }) },
		DNSDone: func(info httptrace.DNSDoneInfo) {
			locked(func() {
				if info.Err == nil {
					w.note("DNS %s: %s", took(w.resolving), addresses(info.Addrs))
				}
			})
		},
		ConnectStart: func(_, address string) { locked(func() { w.dialing[address] = time.Now() }) },
		ConnectDone: func(_, address string, err error) {
			locked(func() {
				if err == nil {
					w.note("TCP %s to %s", took(w.dialing[address]), address)
				}
			})
		},
		TLSHandshakeStart: func() { locked(func() { w.shaking = time.Now() }) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			locked(func() {
				if err == nil {
					w.note("%s %s, certificate of %s until %s", tls.VersionName(state.Version), took(w.shaking),
						issuerOf(state.PeerCertificates[0]), state.PeerCertificates[0].NotAfter.Format(time.DateOnly))
				}
			})
		},
	}
}

func took(since time.Time) string { return time.Since(since).Round(100 * time.Microsecond).String() }

func addresses(found []net.IPAddr) string {
	var all []string
	for _, address := range found {
		all = append(all, address.String())
	}
	return strings.Join(all, ", ")
}

func issuerOf(c *x509.Certificate) string {
	if c.Issuer.CommonName != "" {
		return c.Issuer.CommonName
	}
	return c.Issuer.String()
}

// trouble is what kept a request from its answer.
func (w *way) trouble() Finding {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		dns         *net.DNSError
		timeout     net.Error
	)
	host := w.host
	if w.proxy != nil {
		host = "the proxy " + w.proxy.Host
	}
	network := func(message, hint string) Finding { return fail(problem.Network, message, hint, w.steps()...) }
	switch {
	case errors.As(w.err, &certificate):
		return w.certificateTrouble(certificate)
	case errors.As(w.err, &record), errors.Is(w.err, http.ErrSchemeMismatch):
		return fail(problem.TLS, w.host+" does not speak TLS.", "Check the address and its port; a page of the network may be in between.", w.steps()...)
	case strings.Contains(w.err.Error(), "Proxy Authentication Required"), strings.Contains(w.err.Error(), "user name and password"):
		return network(host+" wants a user name and password.", "Put them into HTTPS_PROXY, as http://user:password@proxy:port.")
	case errors.As(w.err, &dns) && w.proxy != nil:
		return network(fmt.Sprintf("The name of %s was not found.", host), "Correct HTTPS_PROXY.")
	case errors.As(w.err, &dns):
		return network(fmt.Sprintf("The name %s was not found.", hostname(w.host)),
			"Check the address in the configuration and the network or VPN. If your company's network wants a proxy, set HTTPS_PROXY.")
	case errors.As(w.err, &timeout) && timeout.Timeout(), errors.Is(w.err, context.DeadlineExceeded):
		return network(host+" does not answer in time.", "Check the network, the VPN and the proxy, then try again.")
	case errors.Is(w.err, syscall.ECONNREFUSED) && w.proxy != nil:
		return network("Nobody listens at "+host+".", "Correct HTTPS_PROXY, or start the proxy.")
	case errors.Is(w.err, syscall.ECONNREFUSED):
		return network("Nobody listens at "+host+".", "Check the address and its port; the server may be down.")
	case errors.Is(w.err, syscall.ECONNRESET), errors.Is(w.err, io.EOF), errors.Is(w.err, io.ErrUnexpectedEOF):
		return network(host+" cuts the connection.", "A firewall may be in between; check the network, the VPN and the proxy.")
	case w.proxy != nil:
		return network(host+" makes no connection to "+w.host+".", "Ask who runs the proxy whether it lets this host through.")
	default:
		return network("No connection to "+host+".", "Check the network, the VPN and the proxy, then try again.")
	}
}

// certificateTrouble says why the certificate is not accepted, and shows the chain.
func (w *way) certificateTrouble(err *tls.CertificateVerificationError) Finding {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		leaf    = err.UnverifiedCertificates[0]
	)
	details := w.steps()
	for i, c := range err.UnverifiedCertificates {
		details = append(details, fmt.Sprintf("certificate %d: %s, issued by %s, valid %s to %s", i+1,
			c.Subject, c.Issuer, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly)))
	}
	found := func(message, hint string) Finding { return fail(problem.TLS, message, hint, details...) }
	now := time.Now()
	switch {
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired && now.Before(leaf.NotBefore):
		return found(fmt.Sprintf("The certificate of %s is not valid before %s.", w.host, leaf.NotBefore.Format(time.DateOnly)), "Check this machine's clock.")
	case errors.As(err.Err, &invalid) && invalid.Reason == x509.Expired:
		return found(fmt.Sprintf("The certificate of %s expired at %s.", w.host, invalid.Cert.NotAfter.Format(time.DateTime)),
			"Its owner must renew it; if it is right, check this machine's clock.")
	case errors.As(err.Err, &name):
		return found(fmt.Sprintf("The certificate of %s is for another name: %s.", w.host, strings.Join(leaf.DNSNames, ", ")),
			"Check the address; a proxy or a page of the network may be in between.")
	case errors.As(err.Err, &unknown):
		return found(fmt.Sprintf("The certificate of %s was issued by an authority that this machine does not know: %s.", w.host, leaf.Issuer),
			"If your company inspects connections, make its CA known: set SSL_CERT_FILE, or add it to the system.")
	default:
		return found("The certificate of "+w.host+" is not accepted.", "Ask its owner, with the chain below.")
	}
}

func hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}
