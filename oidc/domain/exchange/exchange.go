// Package exchange is one request to a domain and its answer, of any form. It follows no
// redirects, and makes secrets known before they can be logged.
package exchange

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
)

// Timeout bounds one call to a domain.
const Timeout = 30 * time.Second

const maxAnswerSize = 1 << 20 // bytes

// An Exchange is one request to a domain and its answer, whose body is read once.
type Exchange struct {
	Ctx    context.Context
	URL    *url.URL
	Sent   atomic.Bool // the request left this machine
	Status int         // 0 without an answer
	Header http.Header
	Body   []byte // as much as came
	Err    error  // no answer came, or not all of it
}

// ErrTooLarge is the error of an answer that nobody has a use for.
var ErrTooLarge = errors.New("the answer is too large")

// Send makes a request over the transport. begun is called when the answer begins. There is
// no http.Client, which would follow redirects: whoever the answer names would get the
// request.
func Send(ctx context.Context, transport http.RoundTripper, log *slog.Logger, req *http.Request, begun func(*Exchange)) *Exchange {
	x := &Exchange{Ctx: ctx, URL: req.URL}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { x.Sent.Store(true) },
	}))
	req.Header.Set("Accept", "application/json")
	log = log.With("method", req.Method, "host", req.URL.Host, "path", req.URL.Path)
	began := time.Now()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		log.Debug("no answer from the domain", "took", time.Since(began), "err", err)
		x.Err = err
		return x
	}
	defer resp.Body.Close()
	x.Status, x.Header = resp.StatusCode, resp.Header
	begun(x) // now: the body may take its time
	x.Body, x.Err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerSize+1))
	if x.Err == nil && len(x.Body) > maxAnswerSize {
		x.Body, x.Err = nil, ErrTooLarge
	}
	rememberAnswered(x.Body)
	log.Debug("the domain answered", "status", x.Status, "took", time.Since(began), "bytes", len(x.Body), "ecid", x.SupportID(), "err", x.Err)
	return x
}

// RememberAsked makes the secrets in a request known, so that they are found where
// the domain echoes them.
func RememberAsked(header http.Header, form url.Values) {
	_, basic, _ := strings.Cut(header.Get("Authorization"), " ")
	secret.Remember(basic)
	for _, name := range []string{"code", "code_verifier", "device_code", "refresh_token", "token", "client_secret", "client_assertion"} {
		secret.Remember(form.Get(name))
	}
}

// rememberAnswered does so with the secrets in an answer.
func rememberAnswered(body []byte) {
	answer, _ := lenient.Read(body)
	for _, name := range []string{"access_token", "refresh_token", "id_token", "device_code"} {
		secret.Remember(answer.Text(name))
	}
}

// Unknown reports whether the domain may have acted on the request although no
// usable answer came: the connection was cut, a gateway gave up, or the answer
// says success and cannot be read.
func (x *Exchange) Unknown() bool {
	if x.Err != nil {
		return x.Sent.Load()
	}
	return x.Status < 300 || x.Status == http.StatusBadGateway || x.Status == http.StatusGatewayTimeout
}

// SupportID is what Oracle's support asks for.
func (x *Exchange) SupportID() string {
	return lenient.Printable(x.Header.Get("X-ORACLE-DMS-ECID"), 100)
}

// ClockSkew is how far the domain's clock is ahead of ours, as far as the answer
// tells: one that a cache has kept is as old as the cache says (RFC 9111, 5.1).
func (x *Exchange) ClockSkew() (skew time.Duration, ok bool) {
	date, err := http.ParseTime(x.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	if age := x.Header.Get("Age"); age != "" {
		const longest = 366 * 24 * 60 * 60
		seconds, err := strconv.ParseFloat(strings.TrimSpace(age), 64)
		if err != nil || !(seconds >= 0 && seconds <= longest) {
			return 0, false
		}
		date = date.Add(time.Duration(seconds * float64(time.Second)))
	}
	return time.Until(date), true
}

// RetryAfter is how long the domain asked to be left alone (RFC 9110, 10.2.3),
// or 0.
func (x *Exchange) RetryAfter() time.Duration {
	const longest = 24 * time.Hour
	value := x.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(longest/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, time.Until(at)), longest)
	}
	return 0
}

// Quoted is a text of the answer's, to be added to a status.
func Quoted(text string) string {
	if text = lenient.Printable(text, 200); text == "" {
		return ""
	}
	return ", " + strconv.Quote(text)
}

// Said quotes what the domain said, for a message: ` (error, "description", ECID …)`.
// What it was told, and might echo, is left out.
func Said(code, description, supportID string) string {
	clean := func(text string, limit int) string { return lenient.Printable(logging.Redact(text), limit) }
	var parts []string
	if code = clean(code, 60); code != "" {
		parts = append(parts, code)
	}
	if description = clean(description, 200); description != "" {
		parts = append(parts, strconv.Quote(description))
	}
	if supportID = clean(supportID, 100); supportID != "" {
		parts = append(parts, "ECID "+supportID)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
