// Package exchange sends one request to a domain and reads the answer, whatever its form.
// It follows no redirects, and registers the secrets of both for redaction before they can
// be logged.
package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
)

// Timeout is the longest time that one request to a domain takes, its answer included.
const Timeout = 30 * time.Second

const maxAnswerSize = 1 << 20 // bytes

// An Exchange is one request to a domain and its answer.
type Exchange struct {
	Ctx    context.Context // of the caller
	URL    *url.URL        // of the request
	Sent   atomic.Bool     // the request's header was written to the connection
	Status int             // 0 if no answer came
	Header http.Header     // nil if no answer came
	Body   []byte          // as much as arrived
	Err    error           // no answer came, or its body is incomplete or too large
}

// ErrTooLarge means that the answer has more than 1 MiB.
var ErrTooLarge = errors.New("the answer is too large")

// Send sends a request over the transport and reads the answer. It calls begun when the
// header of the answer is there and before it reads the body. It does not use an
// http.Client, which would follow redirects and so send the request to another host.
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
	begun(x) // now, because a slow body would make the Date header look old
	x.Body, x.Err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerSize+1))
	if x.Err == nil && len(x.Body) > maxAnswerSize {
		x.Body, x.Err = nil, ErrTooLarge
	}
	rememberAnswered(x.Body)
	log.Debug("the domain answered", "status", x.Status, "took", time.Since(began), "bytes", len(x.Body), "ecid", x.SupportID(), "err", x.Err)
	return x
}

// RememberAsked registers the secrets of a request for redaction, in case the domain's
// answer repeats them.
func RememberAsked(header http.Header, form url.Values) {
	_, basic, _ := strings.Cut(header.Get("Authorization"), " ")
	secret.Remember(basic)
	for _, name := range []string{"code", "code_verifier", "device_code", "refresh_token", "token", "client_secret", "client_assertion"} {
		secret.Remember(form.Get(name))
	}
}

// rememberAnswered registers the secrets of an answer for redaction.
func rememberAnswered(body []byte) {
	answer, _ := lenient.ReadAnswer(body)
	for _, name := range []string{"access_token", "refresh_token", "id_token", "device_code"} {
		secret.Remember(answer.Trimmed(name))
	}
}

// Unknown reports, for an exchange that failed, whether the domain may have processed the
// request all the same: the connection broke after the request was sent, a proxy gave up
// (502, 504), or a successful answer could not be read.
func (x *Exchange) Unknown() bool {
	if x.Err != nil {
		return x.Sent.Load()
	}
	return x.Status < 300 || x.Status == http.StatusBadGateway || x.Status == http.StatusGatewayTimeout
}

// Oddness says, for the end of a list, that the answer is empty, compressed in a way that
// cannot be read, or not quite JSON; or "".
func (x *Exchange) Oddness() string {
	switch encoding := strings.ToLower(x.Header.Get("Content-Encoding")); {
	case len(x.Body) == 0:
		return ", empty"
	case !slices.Contains([]string{"", "identity", "gzip", "x-gzip", "deflate"}, encoding):
		return ", compressed with " + lenient.Printable(encoding, 20) + ", which was not asked for"
	case bytes.HasPrefix(bytes.TrimSpace(x.Body), []byte("{")) && !json.Valid(x.Body):
		return ", JSON that is cut off or malformed"
	default:
		return ""
	}
}

// SupportID returns the ECID of the answer, by which Oracle's support finds the request, or
// "".
func (x *Exchange) SupportID() string {
	return lenient.Printable(x.Header.Get("X-ORACLE-DMS-ECID"), 100)
}

// ClockSkew returns how far the domain's clock is ahead of this machine's, by the Date
// header. If a cache answered, its Age header is added (RFC 9111, 5.1). ok is false if the
// answer has no Date, an invalid Age, or a Date more than 366 days away, which is no clock.
func (x *Exchange) ClockSkew() (skew time.Duration, ok bool) {
	const longest = 366 * 24 * 60 * 60 // seconds
	date, err := http.ParseTime(x.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	if age := x.Header.Get("Age"); age != "" {
		seconds, err := strconv.ParseFloat(strings.TrimSpace(age), 64)
		if err != nil || !(seconds >= 0 && seconds <= longest) {
			return 0, false
		}
		date = date.Add(time.Duration(seconds * float64(time.Second)))
	}
	if skew = time.Until(date); skew.Abs() > longest*time.Second {
		return 0, false
	}
	return skew, true
}

// RetryAfter returns how long the domain asked the client to wait (RFC 9110, 10.2.3), at
// most a day, or 0.
func (x *Exchange) RetryAfter() time.Duration {
	const longest = 24 * time.Hour
	value := strings.TrimSpace(x.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 { // some servers send fractions
		return time.Duration(min(math.Ceil(seconds), longest.Seconds())) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, time.Until(at)), longest)
	}
	return 0
}

// Quoted returns `, "text"`, shortened and safe to show, to follow a status; "" for no text.
func Quoted(text string) string {
	if text = lenient.Printable(text, 200); text == "" {
		return ""
	}
	return ", " + strconv.Quote(text)
}

// Said quotes the domain's error for a message: ` (error, "description", ECID …)`, or "" if
// all are empty. Secrets that the domain repeats are redacted.
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
