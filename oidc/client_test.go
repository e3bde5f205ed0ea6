package oidc

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// keyClient is an application that proves itself with a key.
const keyClient = "key-client"

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// newClientWorld is newWorld for an application of any method, whose configuration
// differs from the default one by some keys.
func newClientWorld(t *testing.T, options domaintest.Options, method config.AuthMethod, keys map[string]any) *world {
	t.Helper()
	options.Clients = []domaintest.Client{
		{ID: domaintest.ConfidentialClient, Secret: domaintest.ConfidentialSecret},
		{ID: domaintest.MobileClient},
		{ID: keyClient, PublicKey: &testKey().PublicKey, KeyID: "alias"},
	}
	w := newWorld(t, options, config.MobileApp)
	text := map[string]any{
		"domain_url": w.URL, "llm_base_url": w.LLMBaseURL, "auth_method": method, "client_id": domaintest.MobileClient,
		"redirect_uri": w.config.RedirectURIs, "scope": "openid offline_access " + domaintest.DefaultScope,
	}
	switch {
	case keys["client_key"] != nil || method == config.PrivateKeyJWT:
		file := filepath.Join(w.places.Home, "key.pem")
		writeFile(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())})))
		text["client_id"], text["client_key"], text["client_key_id"] = keyClient, "{file:"+file+"}", "alias"
	case !method.Public():
		text["client_id"], text["client_secret"] = domaintest.ConfidentialClient, domaintest.ConfidentialSecret
	}
	if method.Unattended() {
		text["scope"] = domaintest.DefaultScope
	}
	maps.Copy(text, keys)
	if text["client_key"] == true {
		text["client_key"] = "{file:" + filepath.Join(w.places.Home, "key.pem") + "}"
	}
	w.configure(text)
	for _, redirectURI := range w.config.RedirectURIs {
		w.AllowRedirect(w.config.ClientID, redirectURI)
	}
	return w
}

// signsIn does a whole sign-in, with a simulated person.
func (w *world) signsIn(s *Session, flow signin.Flow) error {
	w.t.Helper()
	prompt, ended := connecting(w.t.(*testing.T), s, flow)
	if flow == signin.Browser {
		if _, _, _, err := browse(w.t.Context(), prompt.URL); err != nil {
			w.t.Error(err)
		}
	}
	return <-ended
}

// With a private key instead of a client secret, each request that authenticates the client
// has a new assertion.
func TestPrivateKeyJWT(t *testing.T) {
	for _, flow := range []signin.Flow{signin.Browser, signin.Device} {
		t.Run(string(flow), func(t *testing.T) {
			t.Parallel()
			w := newClientWorld(t, domaintest.Options{AutoApprove: true, AutoApproveDevices: flow == signin.Device}, config.PrivateKeyJWT, nil)
			w.Clock.Advance(-2 * time.Hour) // it is the domain's clock that counts
			s := w.session()
			if err := w.signsIn(s, flow); err != nil {
				t.Fatal(err)
			}
			if _, err := w.session().Refresh(t.Context()); err != nil { // another process
				t.Fatal(err)
			}
			if revoked, err := w.session().Disconnect(t.Context()); err != nil || !revoked {
				t.Errorf("signing out: %v, %v", revoked, err)
			}
			if err := s.domain.ProbeApplication(t.Context()); err != nil {
				t.Errorf("the doctor's question: %v", err)
			}
			seen := map[string]bool{}
			for _, request := range slices.Concat(w.Requests(domaintest.Token), w.Requests(domaintest.Revoke)) {
				assertion := request.Form.Get("client_assertion")
				if assertion == "" || seen[assertion] || request.Header.Get("Authorization") != "" || request.Form.Has("client_secret") {
					t.Errorf("%s is asked with %v", request.Path, slices.Collect(maps.Keys(request.Form)))
				}
				seen[assertion] = true
			}
		})
	}
}

// A public client sends no secret, and PKCE with S256.
func TestPublicApp(t *testing.T) {
	for _, flow := range []signin.Flow{signin.Browser, signin.Device} {
		w := newClientWorld(t, domaintest.Options{AutoApprove: true, AutoApproveDevices: true}, config.PublicApp, nil)
		s := w.session()
		if err := w.signsIn(s, flow); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, request := range w.Requests(domaintest.Token) {
			if request.Form.Get("client_id") != domaintest.MobileClient || request.Form.Has("client_secret") || request.Header.Get("Authorization") != "" {
				t.Errorf("asked with %v", request)
			}
		}
	}
}

// Client credentials need no person: the first call requests a token, all processes share it,
// it is refreshed before it expires, and refreshes pause after a failure.
func TestClientCredentials(t *testing.T) {
	for _, proof := range []map[string]any{nil, {"client_key": true}} {
		w := newClientWorld(t, domaintest.Options{}, config.ClientCredentials, proof)
		s := w.session()
		if status := s.Status(); !status.SignedIn || !status.Refreshable || status.Subject != w.config.ClientID {
			t.Errorf("before the first token: %+v", status)
		}
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() { w.mustToken(s, "") })
		}
		calls.Wait()
		first := w.mustToken(w.session(), "") // another process
		if n := w.Count(domaintest.Token); n != 1 {
			t.Errorf("%d token requests", n)
		}
		form := w.Requests(domaintest.Token)[0].Form
		if form.Get("grant_type") != "client_credentials" || form.Get("scope") != domaintest.DefaultScope {
			t.Errorf("asked with %v", form)
		}
		if second := w.mustToken(s, first.Access.Fingerprint()); second.Access == first.Access {
			t.Error("a refused token is not replaced")
		}
		status, err := s.Connect(t.Context(), ConnectOptions{Flow: signin.Browser, Prompt: func(signin.Prompt) { t.Error("a prompt was shown") }})
		if err != nil || !status.SignedIn {
			t.Errorf("connect: %+v, %v", status, err)
		}
		if n := w.Count(domaintest.Authorize) + w.Count(domaintest.Device); n != 0 || w.Count(domaintest.Token) != 3 {
			t.Errorf("asked %d times for a person, %d times for a token", n, w.Count(domaintest.Token))
		}
	}
}

func TestClientCredentialsAreRefreshedAhead(t *testing.T) {
	w := newClientWorld(t, domaintest.Options{ExpiresIn: 600}, config.ClientCredentials, nil)
	w.bubble(func(t *testing.T) {
		s := w.session()
		first := w.mustToken(s, "")
		time.Sleep(599 * time.Second / 2)
		w.mustToken(s, "") // is in use
		w.Fail(domaintest.Token, domaintest.Fault{Kind: domaintest.Unavailable})
		time.Sleep(10 * time.Minute * 45 / 100)
		w.mustToken(s, "")
		s.background.Wait()
		if token := w.mustToken(s, ""); token.Access == first.Access {
			t.Error("no new token ahead of the end")
		}
		if n := w.Count(domaintest.Token); n > 4 {
			t.Errorf("%d token requests", n)
		}
	})
}

// A file of a newer version is not replaced: the token stays in memory until it expires, and
// nothing is told or requested again before that.
func TestClientCredentialsBesideANewerFile(t *testing.T) {
	w := newClientWorld(t, domaintest.Options{ExpiresIn: 3600}, config.ClientCredentials, nil)
	w.signedIn()
	path := tokens.Open(w.places, w.config).Path()
	writeFile(t, path, `{"version": 99}`)
	w.bubble(func(t *testing.T) {
		s := w.session()
		var changes atomic.Int32
		s.OnChange(func(Status) { changes.Add(1) })
		first := w.mustToken(s, "")
		for range 50 {
			time.Sleep(time.Minute)
			if w.mustToken(s, "").Access != first.Access {
				t.Fatalf("another token after %d requests", w.Count(domaintest.Token))
			}
			s.background.Wait()
			if status := s.Status(); !status.Unsaved || !problem.Is(status.Problem, problem.Store) {
				t.Fatalf("%+v", status)
			}
		}
		if n := w.Count(domaintest.Token); n != 1 || changes.Load() != 1 {
			t.Errorf("%d token requests, %d changes", n, changes.Load())
		}
		time.Sleep(20 * time.Minute) // too early for the refresh after the next, which would begin in the background
		if w.mustToken(s, "").Access == first.Access || w.Count(domaintest.Token) != 2 {
			t.Errorf("after its expiry: %d token requests", w.Count(domaintest.Token))
		}
		if got := readFile(t, path); got != `{"version": 99}` {
			t.Errorf("the file holds %s", got)
		}
	})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if token := w.mustToken(w.session(), ""); token.Access != w.saved().Access {
		t.Error("without the file the token is not saved")
	}
}

func TestRefusedClientCredentials(t *testing.T) {
	w := newClientWorld(t, domaintest.Options{}, config.ClientCredentials, map[string]any{"client_secret": "wrong"})
	w.bubble(func(t *testing.T) {
		s := w.session()
		for range 3 { // the last two are spared the domain
			if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.Config) || strings.Contains(err.Error(), "/connect") {
				t.Errorf("%v", err)
			}
		}
		if n := w.Count(domaintest.Token); n != 1 {
			t.Errorf("%d token requests", n)
		}
		if status := s.Status(); status.SignedIn || status.Problem == nil {
			t.Errorf("%+v", status)
		}
	})
}

// Of several redirect URIs, the first one whose port is free is used.
func TestRedirectList(t *testing.T) {
	registered := []string{domaintest.FreeRedirect(), domaintest.FreeRedirect()}
	w := newClientWorld(t, domaintest.Options{AutoApprove: true}, config.PublicApp, map[string]any{"redirect_uri": registered})
	take := func(redirectURI string) {
		u, err := url.Parse(redirectURI)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:"+u.Port())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
	}
	take(registered[0])
	if err := w.signsIn(w.session(), signin.Browser); err != nil {
		t.Fatal(err)
	}
	if used := w.Requests(domaintest.Authorize)[0].Form.Get("redirect_uri"); used != registered[1] {
		t.Errorf("the redirect is %s, want %s", used, registered[1])
	}
	take(registered[1])
	_, err := w.session().Connect(t.Context(), ConnectOptions{Flow: signin.Browser, Prompt: func(signin.Prompt) {}})
	if !problem.Is(err, problem.PortInUse) {
		t.Fatalf("with both taken: %v", err)
	}
	for _, redirectURI := range registered {
		if u, _ := url.Parse(redirectURI); !strings.Contains(err.Error(), u.Port()) {
			t.Errorf("%s is not named: %v", redirectURI, err)
		}
	}
}

func TestExtraParameters(t *testing.T) {
	w := newClientWorld(t, domaintest.Options{AutoApprove: true, AutoApproveDevices: true, ResourceIndicators: true}, config.PublicApp, map[string]any{
		"login_hint": "maria & co", "prompt": "login", "max_age": 60, "audience": "a b", "resource": "https://llm.example.com",
		"extra_params": map[string]string{"ui_locales": "de", "tenant": "t/1"},
		"scope":        "openid offline_access " + domaintest.DefaultScope + " urn:opc:resource:expiry=300",
	})
	s := w.session()
	check := func(form url.Values, want map[string]string) {
		t.Helper()
		for name, value := range want {
			if got := form.Get(name); got != value {
				t.Errorf("%s is %q, want %q", name, got, value)
			}
		}
	}
	if err := w.signsIn(s, signin.Browser); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(w.mustToken(s, "").ExpiresAt); left > 5*time.Minute {
		t.Errorf("the token lives %s", left)
	}
	if _, err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	beginning := map[string]string{"audience": "a b", "resource": "https://llm.example.com", "ui_locales": "de", "tenant": "t/1"}
	page := maps.Clone(beginning)
	maps.Copy(page, map[string]string{"login_hint": "maria & co", "prompt": "login", "max_age": "60"})
	check(w.Requests(domaintest.Authorize)[0].Form, page)
	if err := w.signsIn(s, signin.Device); err != nil {
		t.Fatal(err)
	}
	check(w.Requests(domaintest.Device)[0].Form, beginning)
	for _, request := range w.Requests(domaintest.Token) {
		check(request.Form, map[string]string{"resource": "https://llm.example.com", "audience": "", "tenant": "", "login_hint": ""})
	}
	facts, ok := idtoken.Describe(w.mustToken(s, "").Access)
	if !ok || !slices.Equal(facts.Audience, []string{"https://llm.example.com"}) {
		t.Errorf("audience %v", facts.Audience)
	}
}

// A domain that ignores max_age, and signs the person in without asking for the password
// again, is noticed.
func TestMaxAge(t *testing.T) {
	w := newClientWorld(t, domaintest.Options{AutoApprove: true, PasswordAge: 3600}, config.PublicApp, map[string]any{"max_age": 7200})
	s := w.session()
	if err := w.signsIn(s, signin.Browser); err != nil {
		t.Fatal(err)
	}
	w.Change(func(o *domaintest.Options) { o.PasswordAge = 8000 })
	if err := w.signsIn(s, signin.Browser); !problem.Is(err, problem.LoginDenied) || !strings.Contains(err.Error(), "max_age") {
		t.Errorf("an old password: %v", err)
	}
}

func TestIssuer(t *testing.T) {
	w := newClientWorld(t, domaintest.Options{AutoApprove: true}, config.PublicApp, map[string]any{"issuer": "https://other.example.com/"})
	if err := w.signsIn(w.session(), signin.Browser); !problem.Is(err, problem.Domain) || !strings.Contains(err.Error(), "another issuer") {
		t.Errorf("another issuer's token: %v", err)
	}
	w.Change(func(o *domaintest.Options) { o.Issuer = "https://other.example.com/" })
	if err := w.signsIn(w.session(), signin.Browser); err != nil {
		t.Error(err)
	}
}

func TestStrictIDToken(t *testing.T) {
	w := newClientWorld(t, domaintest.Options{AutoApprove: true, PublicSigningKeys: true}, config.PublicApp, map[string]any{"strict_id_token": true})
	s := w.session()
	if err := w.signsIn(s, signin.Browser); err != nil {
		t.Fatal(err)
	}
	// The key changes while the person signs in: the keys are asked for once more.
	before := w.Count(domaintest.Keys)
	prompt, ended := connecting(t, s, signin.Browser)
	w.RotateSigningKey()
	if _, _, _, err := browse(t.Context(), prompt.URL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if n := w.Count(domaintest.Keys) - before; n != 2 {
		t.Errorf("the keys were asked for %d times", n)
	}
	// If the domain does not publish its keys, the sign-in fails before the person is asked.
	w.Change(func(o *domaintest.Options) { o.PublicSigningKeys = false })
	_, err := s.Connect(t.Context(), ConnectOptions{Flow: signin.Browser, Prompt: func(signin.Prompt) { t.Error("a prompt was shown") }})
	if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), `"Configure client access"`) {
		t.Errorf("without public keys: %v", err)
	}
}

// If the key file changes or is removed, the next request notices it.
func TestKeyFileChangesOrIsRemoved(t *testing.T) {
	w := newClientWorld(t, domaintest.Options{}, config.ClientCredentials, map[string]any{"client_key": true})
	if err := os.Remove(filepath.Join(w.places.Home, "key.pem")); err != nil {
		t.Fatal(err)
	}
	_, err := w.session().Token(t.Context(), "")
	if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "The client key's file") {
		t.Errorf("%v", err)
	}
}

// A confidential client authenticates at the device endpoint only if the domain requires it.
func TestDeviceEndpointRequiresAuthentication(t *testing.T) {
	for body, challenge := range map[string]string{`{"error":"invalid_client"}`: "", `{"error":"unauthorized_client"}`: "", "": `Basic realm="idcs"`} {
		w := newClientWorld(t, domaintest.Options{AutoApproveDevices: true}, config.ConfidentialApp, nil)
		s := w.session()
		network := w.config.Network
		s.UseTransport(way(func(req *http.Request) (*http.Response, error) {
			if strings.HasSuffix(req.URL.Path, "/device") && req.Header.Get("Authorization") == "" {
				return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": {challenge}}, Request: req,
					Body: io.NopCloser(strings.NewReader(body))}, nil
			}
			return network.RoundTrip(req)
		}))
		p, err := s.domain.NewDeviceRequest(t.Context())
		if err != nil || p.UserCode == "" {
			t.Errorf("%q: %v", body, err)
		}
	}
}
