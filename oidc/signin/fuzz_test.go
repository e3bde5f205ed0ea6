package signin

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// fuzzConfig is the configuration for the domain that silent simulates.
var fuzzConfig = config.Config{
	DomainURL: "https://idcs.example", ClientID: "client", RedirectURIs: []string{"http://localhost:8888/callback"},
	Scope: "openid offline_access", AuthMethod: config.MobileApp,
}

// silent is a domain that answers every request with 404.
type silent struct{}

func (silent) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNotFound, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// fuzzState is replaced by the attempt's state in the fuzzer's input.
const fuzzState = "the-state-of-this-attempt"

// fuzzRequest is an authorization request, and its state.
func fuzzRequest(f *testing.F) (r *domain.CodeRequest, state string) {
	d, err := domain.New(fuzzConfig, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	d.UseTransport(silent{})
	r, err = d.NewCodeRequest(f.Context(), fuzzConfig.RedirectURIs[0])
	if err != nil {
		f.Fatal(err)
	}
	return r, mustURL(f, r.URL()).Query().Get("state")
}

// FuzzCallback sends requests with arbitrary queries to the listener's handler. Those without
// the state change nothing.
func FuzzCallback(f *testing.F) {
	r, state := fuzzRequest(f)
	f.Add("code=AQ%3D&state=the-state-of-this-attempt")
	f.Add("error=access_denied&error_description=%1b[2J&state=the-state-of-this-attempt")
	f.Add("state=the-state-of-this-attempt&state=x&code=a;b")
	f.Add("iss=evil&code=a&state=the-state-of-this-attempt")
	f.Fuzz(func(t *testing.T, query string) {
		c := &callback{
			arrived: make(chan arrival, 1), redirect: mustURL(t, fuzzConfig.RedirectURIs[0]), startPath: "/start", resultPath: "/result",
			ended: make(chan struct{}), shown: make(chan struct{}),
		}
		close(c.ended)
		req, err := http.NewRequest(http.MethodGet, fuzzConfig.RedirectURIs[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		query = strings.ReplaceAll(query, fuzzState, state)
		req.URL.RawQuery = query
		w := &answerOf{header: http.Header{}}
		c.handler(r).ServeHTTP(w, req)
		values := req.URL.Query()
		mine := values.Get("state") == state
		for _, several := range values {
			mine = mine && len(several) == 1
		}
		select {
		case a := <-c.arrived:
			harmless(t, a.err, state)
			if !mine || (a.err == nil) != (a.code != "") || w.status != http.StatusSeeOther || w.header.Get("Location") != "/result" {
				t.Errorf("%q arrived as %+v, answered %d", query, a, w.status)
			}
		default:
			if mine || w.status != http.StatusBadRequest {
				t.Errorf("%q did not arrive, answered %d", query, w.status)
			}
		}
		if strings.Contains(w.body.String(), state) {
			t.Error("the page tells the state")
		}
	})
}

// answerOf is an http.ResponseWriter that records an answer.
type answerOf struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answerOf) Header() http.Header            { return a.header }
func (a *answerOf) WriteHeader(status int)         { a.status = status }
func (a *answerOf) Write(text []byte) (int, error) { return a.body.Write(text) }

func FuzzAnnouncement(f *testing.F) {
	f.Add([]byte(`{"flow":"browser","url":"http://localhost:8888/x","expiresAt":"2030-01-01T00:00:00Z","browserOpened":true}`))
	f.Add([]byte(`{"flow":"device","url":"https://x/","userCode":"A\u001b[31m"}`))
	places := store.Places{Home: f.TempDir(), StateDir: f.TempDir()}
	shared := tokens.Open(places, fuzzConfig).SignIn("browser")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := shared.Announce(text); err != nil {
			t.Fatal(err)
		}
		p, ok := Announced(shared)
		if !ok {
			return
		}
		if !discovery.SecureURL(p.URL) || p.Flow != Browser && p.Flow != Device ||
			strings.ContainsFunc(p.URL+p.UserCode, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("prompt %+v", p)
		}
	})
}
