package domain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// ExchangeTimeout bounds one call to a domain.
const ExchangeTimeout = 30 * time.Second

const maxAnswerSize = 1 << 20 // bytes

// An exchange is one call to a domain, and what there is to know of it besides
// its result. It is the transport of that call.
type exchange struct {
	ctx  context.Context
	base http.RoundTripper
	log  *slog.Logger
	as   *client    // who asks; nil for what is asked by nobody
	more url.Values // for the form

	url    *url.URL    // of the last request
	sent   atomic.Bool // the request left this machine
	status int         // of the last answer; 0 without one
	header http.Header // of the last answer
}

// exchange begins a call: the returned context makes x/oauth2 use it.
func (d *Domain) exchange(ctx context.Context) (context.Context, *exchange) {
	return d.exchangeAs(ctx, nil, nil)
}

// exchangeAs begins a call of the application, or of nobody in particular for nil,
// whose forms get more parameters.
func (d *Domain) exchangeAs(ctx context.Context, as *client, more url.Values) (context.Context, *exchange) {
	x := &exchange{ctx: ctx, base: d.transport, log: d.log, as: as, more: more}
	return context.WithValue(ctx, oauth2.HTTPClient, x.client()), x
}

// client follows no redirects: whoever the answer names would get the request. Its
// time is limited in RoundTrip.
func (x *exchange) client() *http.Client {
	return &http.Client{
		Transport:     formWriter{x, x.as, x.more},
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
	x.url = req.URL
	x.status, x.header = 0, nil
	form, err := readBody(req)
	if err != nil {
		return nil, err
	}
	rememberAsked(req, form)
	ctx, cancel := context.WithTimeout(x.ctx, ExchangeTimeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { x.sent.Store(true) },
	})
	req = req.Clone(ctx)
	req.Header.Set("Accept", "application/json")
	if form != nil {
		req.Body = io.NopCloser(bytes.NewReader(form))
	}
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
	rememberAnswered(body)
	x.status, x.header = resp.StatusCode, resp.Header
	log.Debug("the domain answered", "status", x.status, "took", time.Since(began), "bytes", len(body), "ecid", x.supportID())
	resp.Body = io.NopCloser(bytes.NewReader(body))
	// x/oauth2 would read a form, too, whose lifetime it does not tell.
	resp.Header = resp.Header.Clone()
	resp.Header.Set("Content-Type", "application/json")
	return resp, nil
}

// readBody reads the form that is to be sent, or returns nil for none.
func readBody(req *http.Request) ([]byte, error) {
	if req.Body == nil {
		return nil, nil
	}
	defer req.Body.Close()
	return io.ReadAll(req.Body)
}

// rememberAsked makes the secrets in a request known, so that they are found where
// the domain echoes them.
func rememberAsked(req *http.Request, body []byte) {
	_, basic, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	secret.Remember(basic)
	form, _ := url.ParseQuery(string(body))
	for _, name := range []string{"code", "code_verifier", "device_code", "refresh_token", "token", "client_secret", "client_assertion"} {
		secret.Remember(form.Get(name))
	}
}

// rememberAnswered does so with the secrets in an answer.
func rememberAnswered(body []byte) {
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		ID      string `json:"id_token"`
		Device  string `json:"device_code"`
	}
	if json.Unmarshal(body, &answer) == nil {
		secret.Remember(answer.Access, answer.Refresh, answer.ID, answer.Device)
	}
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
func (x *exchange) supportID() string { return Printable(x.header.Get("X-ORACLE-DMS-ECID"), 100) }

// clockSkew is how far the domain's clock is ahead of ours, as far as the answer
// tells.
func (x *exchange) clockSkew() (skew time.Duration, ok bool) {
	date, err := http.ParseTime(x.header.Get("Date"))
	return time.Until(date), err == nil
}
