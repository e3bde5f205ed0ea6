package signin

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"
	"unicode"

	"go.uber.org/goleak"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

func TestMain(m *testing.M) {
	domaintest.NoteIfBrowser()
	_ = os.Unsetenv("CI") // where no browser is opened
	goleak.VerifyTestMain(m)
}

// A world is a stand-in domain and one user's configuration.
type world struct {
	*domaintest.Server
	t      testing.TB
	config config.Config
	kept   []tokens.Tokens // of the completed sign-ins
}

func newWorld(t testing.TB, options domaintest.Options) *world {
	t.Helper()
	w := &world{Server: domaintest.New(t, options), t: t}
	w.config = config.Config{
		DomainURL: w.URL, BaseURL: w.LLMBaseURL, AuthMethod: config.MobileApp, ClientID: domaintest.MobileClient,
		RedirectURIs: []string{domaintest.FreeRedirect()}, Scope: "openid offline_access " + domaintest.DefaultScope,
	}
	w.AllowRedirect(w.config.ClientID, w.config.RedirectURIs[0])
	return w
}

// A person signs in, and can be stopped.
type person struct {
	Attempt
	answers chan Answer
	ctx     context.Context
	stop    context.CancelFunc
}

func (w *world) person() *person {
	w.t.Helper()
	d, err := domain.New(w.config, slog.New(slog.NewTextHandler(w.t.Output(), nil)))
	if err != nil {
		w.t.Fatal(err)
	}
	p := &person{answers: make(chan Answer)}
	p.ctx, p.stop = context.WithCancel(w.t.Context())
	w.t.Cleanup(p.stop)
	p.Attempt = Attempt{
		Domain: d, Config: w.config, Patience: Patience, Answers: p.answers,
		Keep: func(tokens tokens.Tokens) error { w.kept = append(w.kept, tokens); return nil },
	}
	return p
}

// answer pastes a text and returns what is wrong with it.
func (p *person) answer(text string) error {
	reply := make(chan error, 1)
	p.answers <- Answer{text, reply}
	return <-reply
}

// connecting begins a sign-in. It returns the prompt, and a channel that receives the result.
func connecting(t *testing.T, p *person, flow Flow) (Prompt, <-chan error) {
	t.Helper()
	prompts, ended := make(chan Prompt, 1), make(chan error, 1)
	p.Show = func(shown Prompt) { prompts <- shown }
	go func() { ended <- p.Make(p.ctx, flow) }()
	select {
	case prompt := <-prompts:
		return prompt, ended
	case err := <-ended:
		t.Fatalf("no prompt: %v", err)
		return Prompt{}, nil
	}
}

// signingIn begins a sign-in with the browser, and returns the redirect with which the
// domain answers. The redirect is not followed.
func signingIn(t *testing.T, w *world, p *person) (redirect string, ended <-chan error) {
	t.Helper()
	prompt, ended := connecting(t, p, Browser)
	redirect, err := w.Allow(t.Context(), authorizationURL(t, prompt))
	if err != nil {
		t.Fatal(err)
	}
	return redirect, ended
}

// visit sends one request and does not follow redirects.
func visit(t testing.TB, address string, change func(*http.Request)) *http.Response {
	t.Helper()
	req := mustRequest(t, http.MethodGet, address)
	if change != nil {
		change(req)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// endsWell completes the sign-in, and fails the test if that does not succeed.
func endsWell(t *testing.T, redirect string, ended <-chan error) {
	t.Helper()
	if status, body, last, err := browse(t.Context(), redirect); err != nil || status != http.StatusOK || !strings.Contains(body, "You are signed in") {
		t.Errorf("%d %s %s %v", status, body, last, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func mustRequest(t testing.TB, method, address string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// harmless fails the test if a problem has characters that cannot be printed, or contains
// one of the secrets.
func harmless(t *testing.T, err error, secrets ...string) {
	t.Helper()
	p := problem.From(err)
	if p == nil {
		return
	}
	if p.Kind == problem.Internal || p.Message == "" {
		t.Errorf("a problem without words: %+v", p)
	}
	for _, text := range []string{p.Message, p.Hint} {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%q tells %q", text, secret)
			}
		}
		if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) || len(text) > 2000 {
			t.Errorf("told %q", text)
		}
	}
}

// browse opens an address as a browser would and returns the last page.
func browse(ctx context.Context, address string) (status int, body string, last string, err error) {
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Jar: jar, Transport: transport}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), resp.Request.URL.String(), err
}

func authorizationURL(t testing.TB, p Prompt) string {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(mustRequest(t, http.MethodGet, p.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Header.Get("Location")
}
