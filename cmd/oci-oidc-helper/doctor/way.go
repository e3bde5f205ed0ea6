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

// A way is one request on a new connection, with a record of its steps.
type way struct {
	settings network.Settings
	url      *url.URL
	host     string // as in the URL, with the port
	status   int
	header   http.Header
	reason   string // the text of an error answer

	tokenMeant bool // an error answer is about the token
	err        error

	mu        sync.Mutex // several addresses may be dialled at once, and may outlive the request
	went      []string   // the steps that succeeded, with their durations
	resolving time.Time  // when the steps began
	dialing   map[string]time.Time
	shaking   time.Time
}

func (w *way) note(format string, args ...any) { w.went = append(w.went, fmt.Sprintf(format, args...)) }

// steps returns the steps that succeeded.
func (w *way) steps() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.went)
}

// travel makes a GET request. It does not follow redirects.
func travel(ctx context.Context, settings network.Settings, address string, header http.Header) *way {
	began, w := time.Now(), &way{settings: settings, dialing: map[string]time.Time{}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, w.trace()), http.MethodGet, address, nil)
	if err != nil {
		w.err = err
		return w
	}
	w.url, w.host = req.URL, req.URL.Host
	if header != nil {
		req.Header = header
	}
	if proxy, _ := network.Proxy(req.URL); proxy != nil {
		w.note("through the proxy %s", network.Shown(proxy))
	}
	resp, err := settings.RoundTrip(req)
	if err != nil {
		w.err = err
		return w
	}
	defer resp.Body.Close()
	w.status, w.header = resp.StatusCode, resp.Header
	if w.status >= 400 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		w.reason = endpoint.Reason(w.header, logging.Redact(string(body)))
		w.tokenMeant = endpoint.Means(w.status, w.header, string(body), false) == endpoint.TokenRefused
	}
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

// trouble returns the failure of a request that got no answer. If a certificate was not
// accepted, it shows the certificate chain.
func (w *way) trouble() Finding {
	details := w.steps()
	var certificate *tls.CertificateVerificationError
	if errors.As(w.err, &certificate) {
		for i, c := range certificate.UnverifiedCertificates {
			details = append(details, fmt.Sprintf("certificate %d: %s, issued by %s, valid %s to %s", i+1,
				c.Subject, c.Issuer, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly)))
		}
	}
	said := w.settings.Diagnose(w.err, w.url)
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
