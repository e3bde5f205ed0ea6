package gateway

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// opened returns a gateway and its key. The gateway's endpoint has this handler, and accepts only
// the newest of the tokens token-1, token-2 and so on.
func opened(t *testing.T, endpoint http.HandlerFunc) (gateway *httptest.Server, key string) {
	t.Helper()
	server := httptest.NewServer(endpoint)
	t.Cleanup(server.Close)
	var issued atomic.Int32
	issued.Store(1)
	return openedTo(t, server.URL+"/base/v1", func(_ context.Context, rejected string) (secret.Text, error) {
		if token := secret.New(fmt.Sprintf("token-%d", issued.Load())); token.Fingerprint() != rejected {
			return token, nil
		}
		return secret.New(fmt.Sprintf("token-%d", issued.Add(1))), nil
	})
}

func openedTo(t *testing.T, base string, token TokenFunc) (*httptest.Server, string) {
	t.Helper()
	address, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	key := NewKey()
	none := func(context.Context, string) (secret.Text, error) { return secret.Text{}, nil }
	handler, err := New([]Endpoint{{BaseURL: address, Token: token, Another: none}, {ID: "qwen", BaseURL: address, Token: token, Another: none}}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(Admit(KeyOf(key), handler))
	t.Cleanup(gateway.Close)
	return gateway, key.Reveal()
}

func ask(t *testing.T, gateway *httptest.Server, path string, change func(*http.Request)) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway.URL+path, strings.NewReader(`{"model":"m"}`))
	if err != nil {
		t.Fatal(err)
	}
	change(req)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func withKey(key string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) }
}

func TestOnlyLocalRequestsWithTheKeyAreAnswered(t *testing.T) {
	var served atomic.Int32
	gateway, key := opened(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		_, _ = io.WriteString(w, r.URL.Path)
	})
	set := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			withKey(key)(r)
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Set(pairs[i], pairs[i+1])
			}
		}
	}
	host := func(name string) func(*http.Request) {
		return func(r *http.Request) { withKey(key)(r); r.Host = name }
	}
	for name, c := range map[string]struct {
		path   string
		change func(*http.Request)
		want   int
	}{
		"the key":                     {"/v1/chat/completions", withKey(key), 200},
		"the key, Azure's way":        {"/v1/chat/completions", set("Authorization", "", "Api-Key", key), 200},
		"the key, Anthropic's way":    {"/v1/chat/completions", set("Authorization", "", "X-Api-Key", key), 200},
		"Node's fetch":                {"/v1/models", set("Sec-Fetch-Mode", "cors"), 200},
		"a loopback name":             {"/v1/models", host("LocalHost:1234"), 200},
		"IPv6":                        {"/v1/models", host("[::1]:1234"), 200},
		"no key":                      {"/v1/models", func(*http.Request) {}, 401},
		"another key":                 {"/v1/models", withKey(NewKey().Reveal()), 401},
		"the key's hash":              {"/v1/models", withKey(digest(key)), 401},
		"an empty key":                {"/v1/models", withKey(""), 401},
		"a name that leads here":      {"/v1/models", host("llm.evil.example"), 403},
		"a name that begins well":     {"/v1/models", host("localhost.evil.example"), 403},
		"another address":             {"/v1/models", host("192.0.2.1:1234"), 403},
		"no name":                     {"/v1/models", host(" "), 403},
		"a web page":                  {"/v1/models", set("Origin", "https://evil.example"), 403},
		"a page without origin":       {"/v1/models", set("Origin", "null"), 403},
		"an image in a page":          {"/v1/models", set("Sec-Fetch-Site", "cross-site"), 403},
		"a page of this machine":      {"/v1/models", set("Sec-Fetch-Site", "same-origin"), 403},
		"a path beside it":            {"/admin", withKey(key), 404},
		"a path that only looks like": {"/v1x/models", withKey(key), 404},
		"a path that climbs":          {"/v1/%2e%2e/secrets", withKey(key), 404},
		"a path that climbs in one":   {"/v1/..%2f..%2fsecrets", withKey(key), 404},
	} {
		t.Run(name, func(t *testing.T) {
			before := served.Load()
			status, body := ask(t, gateway, c.path, c.change)
			if status != c.want {
				t.Errorf("status %d (%s), want %d", status, body, c.want)
			}
			if reached := served.Load() != before; reached != (c.want == 200) {
				t.Errorf("reached the endpoint: %t", reached)
			}
		})
	}
}

func TestRequestReachesTheEndpointWithTheTokenAndNothingElse(t *testing.T) {
	var got *http.Request
	gateway, key := opened(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Clone(t.Context()) })
	ask(t, gateway, "/v1/models/a%2Fb?limit=1&x=%20", func(r *http.Request) {
		withKey(key)(r)
		r.Header.Set("Api-Key", key)
		r.Header.Set("Cookie", "a=b")
		r.Header.Set("X-Custom", "kept")
	})
	if got.RequestURI != "/base/v1/models/a%2Fb?limit=1&x=%20" {
		t.Errorf("asked for %s", got.RequestURI)
	}
	if got.Header.Get("Authorization") != "Bearer token-1" || got.Header.Get("X-Custom") != "kept" {
		t.Errorf("headers %v", got.Header)
	}
	if text := fmt.Sprint(got.Header, got.Host); strings.Contains(text, key) || strings.Contains(text, "a=b") || strings.Contains(text, gateway.Listener.Addr().String()) {
		t.Errorf("the gateway's own travels on: %s", text)
	}
}

func TestRejectedTokenIsReplacedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		status    int
		challenge string
		accepts   string
		want      int
		asked     int
	}{
		"401":                        {401, "", "token-2", 200, 2},
		"403 invalid_token":          {403, `Bearer error="invalid_token"`, "token-2", 200, 2},
		"403":                        {403, "", "token-2", 403, 1},
		"403, in a second challenge": {403, `Basic realm="x", Bearer error=invalid_token`, "token-2", 200, 2},
		"401 for ever":               {401, "", "", 401, 2},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			gateway, key := opened(t, func(w http.ResponseWriter, r *http.Request) {
				asked++
				if body, _ := io.ReadAll(r.Body); string(body) != `{"model":"m"}` {
					t.Errorf("body %q", body)
				}
				if r.Header.Get("Authorization") != "Bearer "+c.accepts {
					w.Header().Set("WWW-Authenticate", c.challenge)
					w.WriteHeader(c.status)
				}
			})
			if status, body := ask(t, gateway, "/v1/chat/completions", withKey(key)); status != c.want || asked != c.asked {
				t.Errorf("status %d, %d requests (%s), want %d, %d", status, asked, body, c.want, c.asked)
			}
		})
	}
}

// If the endpoint refuses a model or a budget, no other token is requested, and the caller
// gets the endpoint's answer each time.
func TestRefusalsThatAreNotAboutTheToken(t *testing.T) {
	const disabled = `{"error":{"message":"Model is disabled"}}`
	const unauthorized = `{"error":"Unauthorized"}`
	var tokens []string
	gateway, key := opened(t, func(w http.ResponseWriter, r *http.Request) {
		tokens = append(tokens, r.Header.Get("Authorization"))
		switch {
		case strings.HasSuffix(r.URL.Path, "/disabled"):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, disabled)
		case strings.HasSuffix(r.URL.Path, "/silent"):
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/unauthorized"):
			w.Header().Set("WWW-Authenticate", `Bearer realm="models"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, unauthorized)
		}
	})
	for _, row := range []struct {
		path   string
		status int
		body   string
	}{{"/v1/disabled", 401, disabled}, {"/v1/served", 200, ""}, {"/v1/disabled", 401, disabled}, {"/v1/silent", 401, ""}, {"/v1/unauthorized", 401, unauthorized}, {"/v1/served", 200, ""}} {
		if status, body := ask(t, gateway, row.path, withKey(key)); status != row.status || body != row.body {
			t.Errorf("%s: %d, %s", row.path, status, body)
		}
	}
	if len(tokens) != 6 || strings.Contains(fmt.Sprint(tokens), "token-2") {
		t.Errorf("sent with %q", tokens)
	}
}

// If it is unclear what a refusal is about, the request is repeated once if there is another
// token; otherwise the caller gets the endpoint's first answer.
func TestTokenInDoubtIsReplacedIfThereIsAnother(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/served") || r.Header.Get("Authorization") == "Bearer token-2" {
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "Unauthorized")
	}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	first := secret.New("token-1")
	for name, row := range map[string]struct {
		another secret.Text
		err     error
		status  int
		body    string
	}{
		"another":   {secret.New("token-2"), nil, 200, ""},
		"none":      {secret.Text{}, nil, 401, "Unauthorized"},
		"a trouble": {secret.Text{}, problem.New(problem.Network, "The domain is down.", "Wait.").Passing(), 401, "Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			key := NewKey()
			handler, err := New([]Endpoint{{
				BaseURL: base,
				Token: func(_ context.Context, rejected string) (secret.Text, error) {
					if rejected != "" {
						t.Error("the token was given up")
					}
					return first, nil
				},
				Another: func(_ context.Context, doubted string) (secret.Text, error) {
					if doubted != first.Fingerprint() {
						t.Errorf("doubted %q", doubted)
					}
					return row.another, row.err
				},
			}}, slog.New(slog.NewTextHandler(t.Output(), nil)))
			if err != nil {
				t.Fatal(err)
			}
			gateway := httptest.NewServer(Admit(KeyOf(key), handler))
			t.Cleanup(gateway.Close)
			if status, _ := ask(t, gateway, "/v1/served", withKey(key.Reveal())); status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
			if status, body := ask(t, gateway, "/v1/chat/completions", withKey(key.Reveal())); status != row.status || body != row.body {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}

// A refusal is judged by the part of it that has arrived if the endpoint stalls or the connection
// is cut, and the caller gets that part. It may come late: the time for another token begins then.
func TestUnfinishedRefusals(t *testing.T) {
	const late = answerPatience / 2
	const invalid = "WWW-Authenticate: Bearer error=invalid_token\r\n"
	for _, row := range []struct {
		status int
		header string
		text   string
		asks   bool // for another token
	}{
		{401, "", "", true}, {401, "", "The token has ex", true}, {401, invalid, "", true}, {401, "", "The model is dis", false},
		{403, "", "", false}, {403, "", "The model is dis", false}, {403, invalid, "", true},
	} {
		for _, stalls := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				answers := []string{
					fmt.Sprintf("HTTP/1.1 %d No\r\n%sContent-Length: 100\r\n\r\n%s", row.status, row.header, row.text),
					"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone",
				}
				transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
					client, server := net.Pipe()
					answer := answers[0]
					answers = answers[1:]
					go func() {
						defer server.Close()
						if r, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
							_, _ = io.Copy(io.Discard, r.Body)
						}
						if len(answers) == 1 {
							time.Sleep(late)
						}
						_, _ = io.WriteString(server, answer)
						if stalls {
							_, _ = server.Read(make([]byte, 1)) // until the client ends it
						}
					}()
					return client, nil
				}}
				defer transport.CloseIdleConnections()
				none := func(context.Context, string) (secret.Text, error) { return secret.Text{}, nil }
				a := &authorized{transport: transport, to: Endpoint{Another: none, Token: func(ctx context.Context, rejected string) (secret.Text, error) {
					return secret.New("token" + rejected), ctx.Err()
				}}}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://llm.example.com/v1", strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				resp, err := a.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				status, body := row.status, row.text
				if row.asks {
					status, body = 200, "done"
				}
				got, err := io.ReadAll(resp.Body)
				took := time.Since(began) - late
				if err != nil || resp.StatusCode != status || string(got) != body || (took != 0) != stalls || took > time.Minute {
					t.Errorf("%+v, stalls %t: %d %q (%v) after %s", row, stalls, resp.StatusCode, got, err, took)
				}
				if length := resp.Header.Get("Content-Length"); !row.asks && length != "" {
					t.Errorf("%+v, stalls %t: announces %s bytes", row, stalls, length)
				}
			})
		}
	}
}

// The text of a refusal is understood although the caller accepts compressed answers.
func TestCompressedRefusal(t *testing.T) {
	for _, accepted := range []string{"", "gzip, deflate"} {
		gateway, key := opened(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer token-2" {
				return
			}
			var text io.Writer = w
			if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
				w.Header().Set("Content-Encoding", "gzip")
				compressed := gzip.NewWriter(w)
				defer compressed.Close()
				text = compressed
			}
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(text, "The token has expired.")
		})
		if status, body := ask(t, gateway, "/v1/models", func(r *http.Request) { withKey(key)(r); r.Header.Set("Accept-Encoding", accepted) }); status != http.StatusOK {
			t.Errorf("%q: %d %s", accepted, status, body)
		}
	}
}

func TestProblemsAreShapedAsOpenAIsClientsReadThem(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed a redirect") }))
	t.Cleanup(elsewhere.Close)
	redirects := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(redirects.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	token := func(context.Context, string) (secret.Text, error) { return secret.New("token-1"), nil }
	failing := func(p *problem.Problem) TokenFunc {
		return func(context.Context, string) (secret.Text, error) { return secret.Text{}, p }
	}
	for name, c := range map[string]struct {
		base   string
		token  TokenFunc
		status int
		code   problem.Kind
	}{
		"signed out":        {gone.URL, failing(problem.New(problem.LoginRequired, "You are not signed in.", "Run it.")), 401, problem.LoginRequired},
		"a passing trouble": {gone.URL, failing(problem.New(problem.Network, "The domain is down.", "Wait.").Passing()), 503, problem.Network},
		"throttled":         {gone.URL, failing(problem.New(problem.Throttled, "Too many.", "Wait.").Passing()), 429, problem.Throttled},
		"nobody there":      {gone.URL, token, 503, problem.Network},
		"a redirect":        {redirects.URL, token, 502, problem.Config},
	} {
		t.Run(name, func(t *testing.T) {
			gateway, key := openedTo(t, c.base, c.token)
			status, body := ask(t, gateway, "/v1/models", withKey(key))
			var answer struct {
				Error struct {
					Message string
					Code    problem.Kind
				}
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil || status != c.status || answer.Error.Code != c.code || answer.Error.Message == "" {
				t.Errorf("%d %s (%v), want %d %s", status, body, err, c.status, c.code)
			}
			if strings.Contains(body, "token-1") || strings.Contains(body, key) {
				t.Errorf("a secret in %s", body)
			}
		})
	}
}

func TestRefusedRedirectNamesTheKeyToCorrect(t *testing.T) {
	gateway, key := opened(t, http.RedirectHandler("https://elsewhere.example/", http.StatusTemporaryRedirect).ServeHTTP)
	for path, want := range map[string]string{"/v1/models": "as llm_base_url.", "/qwen/v1/models": "as endpoints.qwen."} {
		if _, body := ask(t, gateway, path, withKey(key)); !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %q", path, body, want)
		}
	}
}

func TestStreamArrivesAsItComesAndEndsWithItsCaller(t *testing.T) {
	next, left := make(chan string), make(chan struct{})
	gateway, key := opened(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		for {
			select {
			case text := <-next:
				fmt.Fprintf(w, "data: %s\n\n", text)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				close(left)
				return
			}
		}
	})
	ctx, leave := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, gateway.URL+"/v1/chat/completions", strings.NewReader(`{}`))
	withKey(key)(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for i := range 3 { // each is read before the endpoint sends the next
		next <- fmt.Sprint(i)
		line, err := lines.ReadString('\n')
		if want := fmt.Sprintf("data: %d\n", i); err != nil || line != want {
			t.Fatalf("%q (%v), want %q", line, err, want)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	<-left
}

func TestNumberOfStreamsIsLimited(t *testing.T) {
	arrived, release := make(chan struct{}, maxRequests), make(chan struct{})
	gateway, key := opened(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	var all sync.WaitGroup
	for range maxRequests {
		all.Go(func() {
			if status, body := ask(t, gateway, "/v1/chat/completions", withKey(key)); status != 200 {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	for range maxRequests {
		<-arrived
	}
	if status, body := ask(t, gateway, "/v1/chat/completions", withKey(key)); status != http.StatusTooManyRequests {
		t.Errorf("one too many: %d %s", status, body)
	}
	close(release)
	all.Wait()
}

func TestTooLargeRequestIsRefused(t *testing.T) {
	gateway, key := opened(t, func(http.ResponseWriter, *http.Request) { t.Error("it was sent on") })
	status, body := ask(t, gateway, "/v1/chat/completions", func(r *http.Request) {
		withKey(key)(r)
		r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, maxRequestBody+1)), maxRequestBody+1
	})
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", status, body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Each endpoint has its own path. Requests to that path go to no other endpoint.
func TestEachEndpointHasAPath(t *testing.T) {
	var asked []string // one request at a time
	var endpoints []Endpoint
	for _, id := range []string{"", "qwen", "v1"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, id+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		}))
		t.Cleanup(server.Close)
		base, err := url.Parse(server.URL + "/base")
		if err != nil {
			t.Fatal(err)
		}
		token := func(context.Context, string) (secret.Text, error) { return secret.New("T-" + id), nil }
		endpoints = append(endpoints, Endpoint{ID: id, BaseURL: base, Token: token, Another: token})
	}
	key := NewKey()
	handler, err := New(endpoints, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(Admit(KeyOf(key), handler))
	t.Cleanup(gateway.Close)
	for path, want := range map[string]string{
		"/v1/chat": " /base/chat Bearer T-", "/qwen/v1/chat": "qwen /base/chat Bearer T-qwen", "/qwen/v1": "qwen /base Bearer T-qwen",
		"/v1/v1/chat": "v1 /base/chat Bearer T-v1", "/qwen/chat": "", "/llama/v1/chat": "", "/qwen/v12": "", "/qwen/v1/../../v1": "",
	} {
		asked = nil
		status, body := ask(t, gateway, path, withKey(key.Reveal()))
		if want == "" && (status != http.StatusNotFound || asked != nil) || want != "" && (status != http.StatusOK || len(asked) != 1 || asked[0] != want) {
			t.Errorf("%s: %d %s, asked %q", path, status, body, asked)
		}
	}
}

// A caller that does not send what it announces, with or without the key, is cut off: it would
// hold its connection for ever.
func TestRequestsThatDoNotEndAreCutOff(t *testing.T) {
	const header = "POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
	key := NewKey()
	for name, begun := range map[string]string{
		"no request":             "",
		"half a header":          header,
		"no body, no key":        header + "\r\n",
		"half a body, no key":    header + "\r\n123",
		"no body, the key":       header + "Authorization: Bearer " + key.Reveal() + "\r\n\r\n",
		"the key, and no length": "POST /v1/models HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nApi-Key: " + key.Reveal() + "\r\n\r\n",
		"silence after a reply":  "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler, err := New(nil, slog.New(slog.NewTextHandler(t.Output(), nil)))
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				caller, connection := net.Pipe()
				ended := make(chan error)
				go func() {
					ended <- Serve(ctx, Admit(KeyOf(key), handler), &oneConnection{connection: connection, closed: ctx.Done()})
				}()
				go func() { _, _ = io.WriteString(caller, begun) }()
				_, _ = io.Copy(io.Discard, caller) // ends when the gateway closes the connection
				caller.Close()
				stop()
				<-ended
			})
		})
	}
}

// oneConnection is a listener that accepts one connection.
type oneConnection struct {
	connection net.Conn
	closed     <-chan struct{}
}

func (l *oneConnection) Accept() (connection net.Conn, err error) {
	if connection, l.connection = l.connection, nil; connection != nil {
		return connection, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConnection) Close() error   { return nil }
func (l *oneConnection) Addr() net.Addr { return &net.TCPAddr{} }
