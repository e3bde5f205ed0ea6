package oidc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

const (
	connectTimeout  = 10 * time.Second
	headerTimeout   = 20 * time.Second
	exchangeTimeout = 30 * time.Second
	maxAnswerSize   = 1 << 20 // bytes
	maxHeaderSize   = 64 << 10
)

// newTransport returns the connections to a domain: the environment's proxy,
// limits on everything.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = connectTimeout
	t.ResponseHeaderTimeout = headerTimeout
	t.MaxResponseHeaderBytes = maxHeaderSize
	// Requests are rare, and a connection that died while the machine slept or
	// changed networks would cost a refresh token its certainty.
	t.DisableKeepAlives = true
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode == http.StatusProxyAuthRequired {
			return errProxyPassword
		}
		return nil
	}
	return t
}

var errProxyPassword = errors.New("the proxy wants a user name and password")

// An exchange is one call to a domain, and what there is to know of it besides
// its result. It is the transport of that call.
type exchange struct {
	ctx  context.Context
	base http.RoundTripper
	log  *slog.Logger

	sent   atomic.Bool // the request left this machine
	status int         // of the last answer; 0 without one
	header http.Header // of the last answer
}

// exchange begins a call: the returned context makes x/oauth2 use it.
func (d *Domain) exchange(ctx context.Context) (context.Context, *exchange) {
	x := &exchange{ctx: ctx, base: d.transport, log: d.log}
	return context.WithValue(ctx, oauth2.HTTPClient, x.client()), x
}

// client follows no redirects: whoever the answer names would get the request. Its
// time is limited in RoundTrip.
func (x *exchange) client() *http.Client {
	return &http.Client{
		Transport:     x,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// errTooLarge is the error of an answer that nobody has a use for.
var errTooLarge = errors.New("the answer is too large")

// RoundTrip sends the request under the call's context, which x/oauth2 forgets
// for the device request, and reads the whole answer, so that one that was cut
// off is an error here and not half a token later.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	x.sent.Store(false)
	x.status, x.header = 0, nil
	ctx, cancel := context.WithTimeout(x.ctx, exchangeTimeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { x.sent.Store(true) },
	})
	req = req.Clone(ctx)
	req.Header.Set("Accept", "application/json")
	log := x.log.With("method", req.Method, "host", req.URL.Host, "path", req.URL.Path)
	began := time.Now()
	resp, err := x.base.RoundTrip(req)
	if err != nil {
		log.Debug("no answer from the domain", "took", time.Since(began), "err", err)
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerSize+1))
	if err == nil && len(body) > maxAnswerSize {
		err = errTooLarge
	}
	if err != nil {
		return nil, err
	}
	x.status, x.header = resp.StatusCode, resp.Header
	log.Debug("the domain answered", "status", x.status, "took", time.Since(began), "bytes", len(body), "ecid", x.supportID())
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// unknown reports whether the domain may have acted on the request although no
// usable answer came: the connection was cut, a gateway gave up, or the answer
// says success and cannot be read.
func (x *exchange) unknown() bool {
	if x.status == 0 {
		return x.sent.Load()
	}
	return x.status < 300 || x.status == http.StatusBadGateway || x.status == http.StatusGatewayTimeout
}

// supportID is what Oracle's support asks for.
func (x *exchange) supportID() string { return printable(x.header.Get("X-ORACLE-DMS-ECID"), 100) }

// clockSkew is how far the domain's clock is ahead of ours, as far as the answer
// tells.
func (x *exchange) clockSkew() (skew time.Duration, ok bool) {
	date, err := http.ParseTime(x.header.Get("Date"))
	return time.Until(date), err == nil
}
