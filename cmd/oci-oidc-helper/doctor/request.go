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
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
)

// A request is one GET request on a new connection, with a record of its steps.
type request struct {
	settings network.Settings
	url      *url.URL
	host     string // as in the URL, with the port
	status   int
	header   http.Header
	reason   string // the text of an error answer

	tokenMeant bool // an error answer is about the token
	err        error

	mu        sync.Mutex // several addresses may be dialled at once, and may outlive the request
	done      []string   // the steps that succeeded, with their durations
	resolving time.Time  // when the steps began
	dialing   map[string]time.Time
	shaking   time.Time
}

func (r *request) note(format string, args ...any) {
	r.done = append(r.done, fmt.Sprintf(format, args...))
}

// steps returns the steps that succeeded.
func (r *request) steps() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.done)
}

// get makes a GET request. It does not follow redirects.
func get(ctx context.Context, settings network.Settings, address string, header http.Header) *request {
	began, r := time.Now(), &request{settings: settings, dialing: map[string]time.Time{}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, r.trace()), http.MethodGet, address, nil)
	if err != nil {
		r.err = err
		return r
	}
	r.url, r.host = req.URL, req.URL.Host
	if header != nil {
		req.Header = header
	}
	if proxy, _ := network.Proxy(req.URL); proxy != nil {
		r.note("through the proxy %s", network.Shown(proxy))
	}
	resp, err := settings.RoundTrip(req)
	if err != nil {
		r.err = err
		return r
	}
	defer resp.Body.Close()
	r.status, r.header = resp.StatusCode, resp.Header
	if r.status >= 400 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		r.reason = endpoint.Reason(r.header, logging.Redact(string(body)))
		r.tokenMeant = endpoint.Means(r.status, r.header, string(body), false) == endpoint.TokenRefused
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note("HTTP %d, %s in all", r.status, took(began))
	return r
}

func (r *request) trace() *httptrace.ClientTrace {
	locked := func(f func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		f()
	}
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { locked(func() { r.resolving = time.Now() }) },
		DNSDone: func(info httptrace.DNSDoneInfo) {
			locked(func() {
				if info.Err == nil {
					r.note("DNS %s: %s", took(r.resolving), addresses(info.Addrs))
				}
			})
		},
		ConnectStart: func(_, address string) { locked(func() { r.dialing[address] = time.Now() }) },
		ConnectDone: func(_, address string, err error) {
			locked(func() {
				if err == nil {
					r.note("TCP %s to %s", took(r.dialing[address]), address)
				}
			})
		},
		TLSHandshakeStart: func() { locked(func() { r.shaking = time.Now() }) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			locked(func() {
				if err == nil {
					r.note("%s %s, certificate of %s until %s", tls.VersionName(state.Version), took(r.shaking),
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

// failure returns the failure of a request that got no answer. If a certificate was not
// accepted, it shows the certificate chain.
func (r *request) failure() Finding {
	details := r.steps()
	var certificate *tls.CertificateVerificationError
	if errors.As(r.err, &certificate) {
		for i, c := range certificate.UnverifiedCertificates {
			details = append(details, fmt.Sprintf("certificate %d: %s, issued by %s, valid %s to %s", i+1,
				c.Subject, c.Issuer, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly)))
		}
	}
	said := r.settings.Diagnose(r.err, r.url)
	return fail(said.Kind, sentence(said.Message), said.Hint, details...)
}

// sentence capitalises the first word of a text, unless it is a host.
func sentence(text string) string {
	first, _, _ := strings.Cut(text, " ")
	if slices.Contains([]string{"the", "no", "nothing"}, first) {
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return text
}
