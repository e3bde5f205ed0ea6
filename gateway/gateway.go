// Package gateway is an OpenAI-compatible reverse proxy on this machine, for programs that
// take only a base URL and an API key. It adds the session's token to every request and
// forwards it to the endpoint.
//
// The token is sent to the endpoint's origin only. If the endpoint rejects the token, the
// gateway gets another one and repeats the request once. Streamed answers are passed on as
// they arrive. A caller must have the gateway's key and use a loopback name; requests from
// web pages are refused even with the key. Redirects are not followed.
package gateway

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

const (
	maxRequestBody  = 32 << 20 // bytes; OCI's API Gateway takes at most 20 MB
	maxRequests     = 256      // at the same time, of all callers
	maxHeaderSize   = 64 << 10 // bytes
	headerTimeout   = 10 * time.Second
	idleTimeout     = 2 * time.Minute  // also for a whole request, with its body
	answerPatience  = 10 * time.Minute // until the header of the endpoint's answer: a model may think for long
	tokenPatience   = 2 * time.Minute  // for getting a token
	idleConnections = 32               // kept open to an endpoint
)

// pathOf returns the path of the gateway's base URL for an endpoint.
func pathOf(id string) string {
	if id == "" {
		return "/v1"
	}
	return "/" + id + "/v1"
}

// A TokenFunc returns a valid access token. rejected is the fingerprint of a token that the
// endpoint has rejected, or "". Its error is a [problem.Problem].
type TokenFunc func(ctx context.Context, rejected string) (secret.Text, error)

// An Endpoint is a target of the gateway.
type Endpoint struct {
	ID      string // as in the configuration's endpoints; "" for llm_base_url
	BaseURL *url.URL
	Network network.Settings
	Token   TokenFunc
	// Another returns a token other than the one with the fingerprint doubted, after a refusal
	// that may have another reason than the token. It returns an empty token if another try is
	// pointless.
	Another func(ctx context.Context, doubted string) (secret.Text, error)
}

// New returns a handler that forwards requests to the endpoints. It does not check who
// calls; wrap it with [Admit]. Its error is a problem of kind Config.
func New(endpoints []Endpoint, log *slog.Logger) (http.Handler, error) {
	proxies := make(map[string]http.Handler, len(endpoints)) // by their paths
	for _, to := range endpoints {
		proxy, err := proxyTo(to, log)
		if err != nil {
			return nil, err
		}
		proxies[pathOf(to.ID)] = proxy
	}
	return limited(func(w http.ResponseWriter, r *http.Request) {
		longest := "" // the longest match: /v1/v1 belongs to the endpoint with the ID v1, not to /v1
		for path := range proxies {
			if len(path) > len(longest) && (r.URL.Path == path || strings.HasPrefix(r.URL.Path, path+"/")) {
				longest = path
			}
		}
		if proxy := proxies[longest]; proxy != nil {
			proxy.ServeHTTP(w, r)
			return
		}
		writeProblem(w, http.StatusNotFound, problem.New(problem.Config, "The gateway has no such path.",
			"The base URL ends in /v1; \"oci-oidc-helper gateway status\" shows it."))
	}), nil
}

// proxyTo returns the reverse proxy for an endpoint.
func proxyTo(to Endpoint, log *slog.Logger) (http.Handler, error) {
	transport, err := to.Network.Transport(to.BaseURL)
	if err != nil {
		return nil, err
	}
	transport.DisableKeepAlives = false // a program sends many requests, one after the other
	transport.MaxIdleConnsPerHost = idleConnections
	transport.IdleConnTimeout = idleTimeout
	transport.ResponseHeaderTimeout = answerPatience
	return &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { rewrite(r, to) },
		Transport:      &authorized{to: to, transport: transport},
		FlushInterval:  -1, // pass each chunk of a stream on at once
		ModifyResponse: to.refuseRedirect,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			p := to.explain(r, err)
			log.Warn("gateway: a request failed", "path", r.URL.Path, "problem", p)
			Refuse(w, p)
		},
	}, nil
}

// limited limits the number of concurrent requests and the size of their bodies. It reads
// each body into memory, so that a request can be sent twice.
func limited(next http.HandlerFunc) http.Handler {
	free := make(chan struct{}, maxRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case free <- struct{}{}:
			defer func() { <-free }()
		default:
			Refuse(w, problem.New(problem.Throttled, "The gateway handles as many requests as it can at once.", "Send fewer at once.").Passing())
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
		if err != nil {
			writeProblem(w, http.StatusRequestEntityTooLarge, problem.New(problem.Config,
				"The request could not be read whole, or it has more than 32 MiB.", "Send less in one request."))
			return
		}
		r.ContentLength = int64(len(body))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, _ = r.GetBody()
		next(w, r)
	})
}

// Admit returns a handler that passes on the requests of callers that may use the gateway,
// and refuses all others.
func Admit(key Key, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, status := admit(r, key); p != nil {
			writeProblem(w, status, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Serve answers on the listeners until the context ends. Requests that are running then are
// cut off.
func Serve(ctx context.Context, handler http.Handler, listeners ...net.Listener) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: idleTimeout, MaxHeaderBytes: maxHeaderSize,
	}
	ended := make(chan error, len(listeners))
	for _, listener := range listeners {
		go func() { ended <- server.Serve(listener) }()
	}
	select {
	case <-ctx.Done():
		return server.Close()
	case err := <-ended:
		return errors.Join(err, server.Close())
	}
}

// admit returns the reason to refuse a request and the HTTP status, or nil.
func admit(r *http.Request, key Key) (*problem.Problem, int) {
	switch {
	case !loopback(r.Host):
		// This prevents DNS rebinding: a web page whose host name resolves to this machine sends
		// that name as the Host.
		return problem.New(problem.Untrusted, "The gateway answers by the names localhost, 127.0.0.1 and [::1] only.",
			"Use the base URL that oci-oidc-helper gateway shows."), http.StatusForbidden
	case r.Header.Get("Origin") != "" || !(r.Header.Get("Sec-Fetch-Site") == "" || r.Header.Get("Sec-Fetch-Site") == "none"):
		return problem.New(problem.Untrusted, "The gateway does not answer web pages.",
			"Use it from a program."), http.StatusForbidden
	case !key.matches(keyOf(r)):
		return problem.New(problem.LoginRequired, "The request does not have the gateway's key.",
			`Make one with "oci-oidc-helper gateway key", and give it to this program as its API key.`), http.StatusUnauthorized
	case hasDotSegment(r.URL.Path):
		return problem.New(problem.Config, "The gateway has no such path.",
			"Write the path without dots."), http.StatusNotFound
	}
	return nil, 0
}

// loopback reports whether a Host header names this machine.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return network.Loopback(strings.Trim(host, "[]"))
}

func hasDotSegment(path string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }),
		func(segment string) bool { return segment == "." || segment == ".." })
}

// keyOf returns a request's API key from the headers of OpenAI's, Azure's and Anthropic's
// clients.
func keyOf(r *http.Request) string {
	if scheme, key, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	if key := r.Header.Get("Api-Key"); key != "" {
		return key
	}
	return r.Header.Get("X-Api-Key")
}

// rewrite changes the request's URL to the endpoint's, removes the gateway's own
// credentials, and asks for an answer that is not compressed.
func rewrite(r *httputil.ProxyRequest, to Endpoint) {
	root := *to.BaseURL
	root.Path = cmp.Or(root.Path, "/") // JoinPath makes a relative path of an empty one
	r.Out.URL = root.JoinPath(strings.TrimPrefix(r.In.URL.EscapedPath(), pathOf(to.ID)))
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.Out.Host = to.BaseURL.Host
	for _, name := range []string{"Authorization", "Api-Key", "X-Api-Key", "Cookie"} {
		r.Out.Header.Del(name)
	}
	r.Out.Header.Set("Accept-Encoding", "identity") // the text of a refusal must be readable
	r.Out.GetBody = r.In.GetBody
}

// authorized is a transport that adds the token.
type authorized struct {
	to        Endpoint
	transport http.RoundTripper
	served    atomic.Pointer[served] // the last success
}

// RoundTrip sends the request, and repeats it once with another token if the endpoint
// rejects the first one.
func (a *authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	get := func(token TokenFunc, fingerprint string) (secret.Text, error) {
		ctx, cancel := context.WithTimeout(req.Context(), tokenPatience)
		defer cancel()
		return token(ctx, fingerprint)
	}
	token, err := get(a.to.Token, "")
	if err != nil {
		return nil, err
	}
	resp, err := a.send(req, token)
	if err != nil {
		return nil, err
	}
	a.note(resp, token)
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return resp, nil
	}
	var another secret.Text
	switch a.means(resp, token) {
	case endpoint.TokenRefused:
		if another, err = get(a.to.Token, token.Fingerprint()); err != nil {
			_ = resp.Body.Close()
			return nil, err
		}
	case endpoint.Unclear:
		another, err = get(a.to.Another, token.Fingerprint())
	}
	if err != nil || another.Empty() {
		return resp, nil
	}
	_ = resp.Body.Close()
	if resp, err = a.send(req, another); err == nil {
		a.note(resp, another)
	}
	return resp, err
}

// maxReason limits how much of an error answer is read to interpret it, in bytes, and
// reasonPatience for how long.
const (
	maxReason      = 64 << 10
	reasonPatience = 10 * time.Second
)

// A served is a token with which a request succeeded.
type served struct {
	token secret.Text
	at    time.Time
}

// note remembers the token of a request that succeeded.
func (a *authorized) note(resp *http.Response, token secret.Text) {
	if resp.StatusCode < 300 {
		a.served.Store(&served{token, time.Now()})
	}
}

// means interprets a 401 or 403: the endpoint may have refused the token (RFC 6750, 3.1), or
// something else, such as a model or a budget, for which another token would not help.
func (a *authorized) means(resp *http.Response, token secret.Text) endpoint.Meaning {
	rest := resp.Body
	limit := time.AfterFunc(reasonPatience, func() { _ = rest.Close() })
	begun, err := io.ReadAll(io.LimitReader(rest, maxReason))
	limit.Stop()
	if err != nil { // the caller gets the part that has arrived
		_ = rest.Close()
		rest = http.NoBody
		resp.Header.Del("Content-Length")
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(begun), rest), rest}
	last := a.served.Load()
	return endpoint.Means(resp.StatusCode, resp.Header, string(begun), last != nil && last.token == token && time.Since(last.at) <= endpoint.JustServed)
}

func (a *authorized) send(req *http.Request, token secret.Text) (*http.Response, error) {
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.Body = body
	out.Header.Set("Authorization", "Bearer "+token.Reveal())
	return a.transport.RoundTrip(out)
}

// refuseRedirect replaces a redirect by a problem, because the caller would follow it and
// send its prompt to another place.
func (e Endpoint) refuseRedirect(resp *http.Response) error {
	if resp.StatusCode < 300 || resp.StatusCode > 399 || resp.StatusCode == http.StatusNotModified {
		return nil
	}
	return problem.New(problem.Config, "The endpoint leads elsewhere, and the token follows no redirect.",
		"Write the address that it leads to as "+endpoint.Address{ID: e.ID}.Key()+".")
}

// explain returns the problem of a request that got no answer.
func (e Endpoint) explain(r *http.Request, err error) *problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return p
	}
	if r.Context().Err() != nil {
		return problem.From(r.Context().Err())
	}
	p = e.Network.Diagnose(err, e.BaseURL)
	p.Message = "The endpoint could not be asked: " + p.Message
	return p
}
