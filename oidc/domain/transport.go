package domain

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// ExchangeTimeout bounds one call to a domain.
const ExchangeTimeout = 30 * time.Second

const maxAnswerSize = 1 << 20 // bytes

// An exchange is one request to a domain and its answer, whose body is read once.
type exchange struct {
	ctx    context.Context
	url    *url.URL
	sent   atomic.Bool // the request left this machine
	status int         // 0 without an answer
	header http.Header
	body   []byte // as much as came
	err    error  // no answer came, or not all of it
}

// errTooLarge is the error of an answer that nobody has a use for.
var errTooLarge = errors.New("the answer is too large")

// get asks for a document.
func (d *Domain) get(ctx context.Context, address string) *exchange {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return &exchange{ctx: ctx, url: d.url, err: err}
	}
	rememberAsked(req.Header, nil)
	return d.send(ctx, req)
}

// post sends a form on behalf of the application, with what proves it, or for nil
// without proof.
func (d *Domain) post(ctx context.Context, endpoint string, as *client, form url.Values) *exchange {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	var err error
	if as != nil {
		err = as.prove(form, header)
	}
	rememberAsked(header, form)
	var req *http.Request
	if err == nil {
		req, err = http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	}
	if err != nil {
		return &exchange{ctx: ctx, url: d.url, err: err}
	}
	req.Header = header
	req.GetBody = nil // a one-time token is not sent twice by itself
	return d.send(ctx, req)
}

// send makes the exchange. It has no http.Client, which would follow redirects: whoever
// the answer names would get the request.
func (d *Domain) send(ctx context.Context, req *http.Request) *exchange {
	x := &exchange{ctx: ctx, url: req.URL}
	ctx, cancel := context.WithTimeout(ctx, ExchangeTimeout)
	defer cancel()
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { x.sent.Store(true) },
	}))
	req.Header.Set("Accept", "application/json")
	log := d.log.With("method", req.Method, "host", req.URL.Host, "path", req.URL.Path)
	began := time.Now()
	resp, err := d.transport.RoundTrip(req)
	if err != nil {
		log.Debug("no answer from the domain", "took", time.Since(began), "err", err)
		x.err = err
		return x
	}
	defer resp.Body.Close()
	x.status, x.header = resp.StatusCode, resp.Header
	d.learnClock(x) // now: the body may take its time
	x.body, x.err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerSize+1))
	if x.err == nil && len(x.body) > maxAnswerSize {
		x.body, x.err = nil, errTooLarge
	}
	rememberAnswered(x.body)
	log.Debug("the domain answered", "status", x.status, "took", time.Since(began), "bytes", len(x.body), "ecid", x.supportID(), "err", x.err)
	return x
}

// rememberAsked makes the secrets in a request known, so that they are found where
// the domain echoes them.
func rememberAsked(header http.Header, form url.Values) {
	_, basic, _ := strings.Cut(header.Get("Authorization"), " ")
	secret.Remember(basic)
	for _, name := range []string{"code", "code_verifier", "device_code", "refresh_token", "token", "client_secret", "client_assertion"} {
		secret.Remember(form.Get(name))
	}
}

// rememberAnswered does so with the secrets in an answer.
func rememberAnswered(body []byte) {
	answer, _ := readMembers(body)
	for _, name := range []string{"access_token", "refresh_token", "id_token", "device_code"} {
		secret.Remember(answer.text(name))
	}
}

// unknown reports whether the domain may have acted on the request although no
// usable answer came: the connection was cut, a gateway gave up, or the answer
// says success and cannot be read.
func (x *exchange) unknown() bool {
	if x.err != nil {
		return x.sent.Load()
	}
	return x.status < 300 || x.status == http.StatusBadGateway || x.status == http.StatusGatewayTimeout
}

// supportID is what Oracle's support asks for.
func (x *exchange) supportID() string { return Printable(x.header.Get("X-ORACLE-DMS-ECID"), 100) }

// clockSkew is how far the domain's clock is ahead of ours, as far as the answer
// tells: one that a cache has kept is as old as the cache says (RFC 9111, 5.1).
func (x *exchange) clockSkew() (skew time.Duration, ok bool) {
	date, err := http.ParseTime(x.header.Get("Date"))
	if err != nil {
		return 0, false
	}
	if age := x.header.Get("Age"); age != "" {
		const longest = 366 * 24 * 60 * 60
		seconds, err := strconv.ParseFloat(strings.TrimSpace(age), 64)
		if err != nil || !(seconds >= 0 && seconds <= longest) {
			return 0, false
		}
		date = date.Add(time.Duration(seconds * float64(time.Second)))
	}
	return time.Until(date), true
}
