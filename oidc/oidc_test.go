package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

func TestMain(m *testing.M) {
	domaintest.NoteIfBrowser()
	_ = os.Unsetenv("CI") // where nobody could sign in
	goleak.VerifyTestMain(m)
}

// allFlows are all flows.
var allFlows = []signin.Flow{signin.Browser, signin.Device, signin.Paste}

// A world is a stand-in domain and one user's machine.
type world struct {
	*domaintest.Server
	t      testing.TB
	issued domaintest.Tokens
	places store.Places
	config config.Config
}

// newWorld starts a domain and writes a configuration for the given client.
func newWorld(t testing.TB, options domaintest.Options, method config.AuthMethod) *world {
	t.Helper()
	home := t.TempDir()
	w := &world{Server: domaintest.New(t, options), t: t, places: store.Places{
		Home: home, ConfigDirs: []string{home}, StateDir: filepath.Join(home, "state"), LogFile: filepath.Join(home, "log"),
	}}
	text := map[string]any{
		"domain_url": w.URL, "llm_base_url": w.LLMBaseURL, "auth_method": string(method),
		"client_id":    domaintest.MobileClient,
		"redirect_uri": domaintest.FreeRedirect(),
		"scope":        "openid offline_access " + domaintest.DefaultScope,
	}
	if method == config.ConfidentialApp {
		text["client_id"], text["client_secret"] = domaintest.ConfidentialClient, domaintest.ConfidentialSecret
	}
	w.configure(text)
	w.AllowRedirect(w.config.ClientID, w.config.RedirectURIs[0])
	var err error
	if w.issued, err = w.Issue(w.config.ClientID, w.config.Scope); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) configure(text map[string]any) {
	w.t.Helper()
	encoded, err := json.Marshal(text)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.places.Home, config.Name), encoded, 0o600); err != nil {
		w.t.Fatal(err)
	}
	if w.config, err = config.Load(w.places, w.places.Home); err != nil {
		w.t.Fatal(err)
	}
}

// bubble runs f in fake time; the domain outside keeps real time. Code in the bubble must
// not listen or keep a connection open: the fake clock stands still while it does.
func (w *world) bubble(f func(t *testing.T)) {
	outer := w.t
	defer func() { w.t = outer }()
	synctest.Test(outer.(*testing.T), func(t *testing.T) {
		w.t = t
		f(t)
	})
}

// session returns a new Session. Each one stands for another process.
func (w *world) session() *Session {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := NewSession(w.config, w.places, log)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return s
}

// change changes the cache, which timers of the session may be reading.
func (c *cache) change(f func(*cache)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

// signedIn saves tokens as a sign-in would have done it just now.
func (w *world) signedIn() tokens.Tokens {
	w.t.Helper()
	now := time.Now().Round(0)
	tokens := tokens.Tokens{
		Access: secret.New(w.issued.AccessToken), Type: "Bearer", Refresh: secret.New(w.issued.RefreshToken),
		IssuedAt: now, ExpiresAt: now.Add(time.Duration(w.issued.ExpiresIn) * time.Second),
		Subject: "maria@example.com", Endpoints: tokens.Endpoints{Token: w.URL + "/oauth2/v1/token"},
	}
	w.save(tokens)
	return tokens
}

func (w *world) save(tok tokens.Tokens) {
	w.t.Helper()
	if _, err := tokens.Open(w.places, w.config).Save(tok); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) saved() tokens.Tokens {
	w.t.Helper()
	tokens, _, err := tokens.Open(w.places, w.config).Load()
	if err != nil {
		w.t.Fatal(err)
	}
	return tokens
}

// expired saves tokens whose access token has expired.
func (w *world) expired() tokens.Tokens {
	w.t.Helper()
	tokens := w.signedIn()
	tokens.IssuedAt = tokens.IssuedAt.Add(-2 * time.Hour)
	tokens.ExpiresAt = tokens.ExpiresAt.Add(-2 * time.Hour)
	w.save(tokens)
	return tokens
}

// mustToken returns a token that the domain's own clock and keys find valid.
func (w *world) mustToken(s *Session, rejected string) Token {
	w.t.Helper()
	token, err := s.Token(w.t.Context(), rejected)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
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

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// jwt returns a JWT with the given claims and an invalid signature.
func jwt(claims string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AAAA"
}

// replaceIn makes the domain replace one text with another in its answers, each of which must
// have that text.
func (w *world) replaceIn(op domaintest.Operation, text, instead string) {
	t := w.t
	w.Change(func(o *domaintest.Options) {
		o.Tamper = func(done domaintest.Operation, rw http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			if done != op {
				honest(rw, r)
				return
			}
			recorder := httptest.NewRecorder()
			honest(recorder, r)
			maps.Copy(rw.Header(), recorder.Header())
			rw.WriteHeader(recorder.Code)
			before, after, found := strings.Cut(recorder.Body.String(), text)
			if !found {
				t.Errorf("%q is not in %s", text, before)
			}
			_, _ = io.WriteString(rw, before+instead+after)
		}
	})
}
