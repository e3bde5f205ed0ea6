package oidc

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// connecting begins a sign-in. It returns the prompt, and a channel that receives the
// result of Connect.
func connecting(t *testing.T, s *Session, flow signin.Flow) (signin.Prompt, <-chan error) {
	t.Helper()
	prompts, ended := make(chan signin.Prompt, 1), make(chan error, 1)
	go func() {
		_, err := s.Connect(t.Context(), ConnectOptions{Flow: flow, Prompt: func(p signin.Prompt) { prompts <- p }})
		ended <- err
	}()
	select {
	case p := <-prompts:
		return p, ended
	case err := <-ended:
		t.Fatalf("no prompt: %v", err)
		return signin.Prompt{}, nil
	}
}

func TestSignInWithBrowser(t *testing.T) {
	for _, method := range []config.AuthMethod{config.ConfidentialApp, config.MobileApp} {
		t.Run(string(method), func(t *testing.T) {
			w := newWorld(t, domaintest.Options{AutoApprove: true}, method)
			s := w.session()
			prompt, ended := connecting(t, s, signin.Browser)
			if !strings.HasPrefix(prompt.URL, strings.TrimSuffix(w.config.RedirectURIs[0], "callback")) || len(prompt.URL) > 45 {
				t.Errorf("the address to show is %s", prompt.URL)
			}
			status, body, last, err := browse(t.Context(), prompt.URL)
			if err != nil || status != http.StatusOK || !strings.Contains(body, "You are signed in") {
				t.Errorf("the browser shows %d %s, %v", status, body, err)
			}
			if strings.Contains(last, "code=") || strings.Contains(last, "state=") {
				t.Errorf("the browser's address still is %s", last)
			}
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			token := w.mustToken(s, "")
			if saved := w.saved(); saved.Access != token.Access || saved.Refresh.Empty() || saved.Subject == "" {
				t.Errorf("saved %+v", saved)
			}
			authorize := w.Requests(domaintest.Authorize)[0].Form
			if authorize.Get("code_challenge_method") != "S256" || authorize.Get("nonce") == "" || len(authorize.Get("state")) < 20 {
				t.Errorf("authorization request %v", authorize)
			}
			if w.Count(domaintest.Token) != 1 {
				t.Errorf("%d token requests", w.Count(domaintest.Token))
			}
			if _, _, _, err := browse(t.Context(), prompt.URL); err == nil {
				t.Error("the listener still is there")
			}
		})
	}
}

func TestSignInWithDevice(t *testing.T) {
	for _, method := range []config.AuthMethod{config.ConfidentialApp, config.MobileApp} {
		t.Run(string(method), func(t *testing.T) {
			w := newWorld(t, domaintest.Options{SlowDown: 1}, method)
			w.bubble(func(t *testing.T) {
				s := w.session()
				w.Fail(domaintest.Token, domaintest.Fault{Kind: domaintest.Reset}, domaintest.Fault{Kind: domaintest.Unavailable})
				prompt, ended := connecting(t, s, signin.Device)
				if prompt.UserCode == "" || !strings.HasPrefix(prompt.URL, w.URL) || time.Until(prompt.ExpiresAt) < 4*time.Minute {
					t.Errorf("prompt %+v", prompt)
				}
				if device := w.Requests(domaintest.Device)[0]; device.Form.Get("response_type") != "device_code" || device.Header.Get("Authorization") != "" {
					t.Errorf("device request %v", device)
				}
				time.Sleep(time.Minute)
				if err := w.ApproveDevice(prompt.UserCode); err != nil {
					t.Fatal(err)
				}
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
				w.mustToken(s, "")
			})
		})
	}
}

func TestSignInThatFails(t *testing.T) {
	for _, test := range []struct {
		name string
		flow signin.Flow
		act  func(*world, signin.Prompt) // what happens after the prompt
		kind problem.Kind
		want string
	}{
		{"denied in the browser", signin.Browser, func(w *world, p signin.Prompt) {
			redirect, err := w.Deny(w.t.Context(), authorizationURL(w.t, p))
			if err != nil {
				w.t.Error(err)
				return
			}
			_, body, _, err := browse(w.t.Context(), redirect)
			if err != nil || !strings.Contains(body, "Not signed in") {
				w.t.Errorf("the browser shows %s, %v", body, err)
			}
		}, problem.LoginDenied, "access_denied"},
		{"nobody comes to the browser", signin.Browser, nil, problem.LoginTimeout, "redirect URL"},
		{"denied with the code", signin.Device, func(w *world, p signin.Prompt) {
			if err := w.DenyDevice(p.UserCode); err != nil {
				w.t.Error(err)
			}
		}, problem.LoginDenied, "access_denied"},
		{"nobody enters the code", signin.Device, nil, problem.LoginTimeout, "not entered in time"},
		{"nobody pastes", signin.Paste, nil, problem.LoginTimeout, "Nobody finished"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			s := w.session()
			if test.act == nil {
				s.signInTime = 10 * time.Millisecond
				w.Change(func(o *domaintest.Options) { o.DeviceLife = 1 })
			}
			prompt, ended := connecting(t, s, test.flow)
			if test.act != nil {
				test.act(w, prompt)
			}
			err := <-ended
			if !problem.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ended with %v", err)
			}
			if !w.saved().Empty() {
				t.Error("something was saved")
			}
		})
	}
}

// authorizationURL is where the short address leads to.
func authorizationURL(t testing.TB, p signin.Prompt) string {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(mustRequest(t, http.MethodGet, p.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.Header.Get("Location")
}

func mustRequest(t testing.TB, method, address string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// signingIn begins a sign-in with the browser, and returns the redirect with which the
// domain answers. The redirect is not followed.
func signingIn(t *testing.T, w *world, s *Session) (redirect string, ended <-chan error) {
	t.Helper()
	prompt, ended := connecting(t, s, signin.Browser)
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

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestStrayRequestsChangeNothing sends requests to the listener that must not change anything. The
// sign-in then continues.
func TestStrayRequestsChangeNothing(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	s := w.session()
	prompt, ended := connecting(t, s, signin.Browser)
	authorization, err := url.Parse(authorizationURL(t, prompt))
	if err != nil {
		t.Fatal(err)
	}
	state := authorization.Query().Get("state")
	redirect := w.config.RedirectURIs[0]
	transport := &http.Transport{DisableKeepAlives: true}
	for _, test := range []struct {
		name, method, address, host string
		status                      int
	}{
		{"wrong state", http.MethodGet, redirect + "?code=x&state=y", "", http.StatusBadRequest},
		{"no state", http.MethodGet, redirect + "?code=x", "", http.StatusBadRequest},
		{"error without state", http.MethodGet, redirect + "?error=access_denied", "", http.StatusBadRequest},
		{"two states", http.MethodGet, redirect + "?code=x&state=y&state=" + state, "", http.StatusBadRequest},
		{"post", http.MethodPost, redirect + "?code=x&state=" + state, "", http.StatusMethodNotAllowed},
		{"head", http.MethodHead, redirect + "?code=x&state=" + state, "", http.StatusMethodNotAllowed},
		{"another host", http.MethodGet, redirect + "?code=x&state=" + state, "evil.example:80", http.StatusMisdirectedRequest},
		{"another path", http.MethodGet, redirect + "/?code=x&state=" + state, "", http.StatusNotFound},
		{"favicon", http.MethodGet, strings.Replace(redirect, "callback", "favicon.ico", 1), "", http.StatusNotFound},
	} {
		req := mustRequest(t, test.method, test.address)
		req.Host = test.host
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.status {
			t.Errorf("%s: %d, want %d", test.name, resp.StatusCode, test.status)
		}
		for _, header := range []string{"Content-Security-Policy", "Referrer-Policy", "Cache-Control"} {
			if resp.Header.Get(header) == "" {
				t.Errorf("%s: no %s", test.name, header)
			}
		}
	}
	good, err := w.Allow(t.Context(), authorization.String())
	if err != nil {
		t.Fatal(err)
	}
	if status, body, _, err := browse(t.Context(), good); err != nil || status != http.StatusOK || !strings.Contains(body, "signed in") {
		t.Errorf("%d %s %v", status, body, err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestPaste(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	s := w.session()
	if err := s.Answer(t.Context(), "x"); err == nil {
		t.Error("an answer without a sign-in was taken")
	}
	for _, form := range []string{"address", "query", "code"} {
		t.Run(form, func(t *testing.T) {
			prompt, ended := connecting(t, s, signin.Paste)
			redirect, err := w.Allow(t.Context(), prompt.URL)
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range []string{"", "  ", "yes", "what is this?", prompt.URL, w.config.RedirectURIs[0], w.config.RedirectURIs[0] + "?code=x&state=y"} {
				if err := s.Answer(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), w.config.RedirectURIs[0]) {
					t.Errorf("%q was answered with %v", wrong, err)
				}
			}
			if err := s.Answer(t.Context(), "a-code-of-another-sign-in"); !problem.Is(err, problem.LoginDenied) || !strings.Contains(err.Error(), "does not accept the code") {
				t.Errorf("a foreign code was answered with %v", err)
			}
			pasted := redirect + " \n"
			u, err := url.Parse(redirect)
			if err != nil {
				t.Fatal(err)
			}
			switch form {
			case "query":
				pasted = u.RawQuery
			case "code":
				pasted = u.Query().Get("code")
			}
			if err := s.Answer(t.Context(), pasted); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestPortInUse(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	u, err := url.Parse(w.config.RedirectURIs[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		taken, err := net.Listen("tcp", net.JoinHostPort(host, u.Port()))
		if err != nil {
			t.Logf("%s cannot be listened on here: %v", host, err)
			continue
		}
		_, err = w.session().Connect(t.Context(), ConnectOptions{Flow: signin.Browser, Prompt: func(signin.Prompt) { t.Error("prompted") }})
		if !problem.Is(err, problem.PortInUse) || !strings.Contains(err.Error(), u.Port()) {
			t.Errorf("%s taken: %v", host, err)
		}
		taken.Close()
	}
	if w.Count(domaintest.Discovery) != 0 {
		t.Error("the domain was asked")
	}
}

func TestNewSignInEndsThePreviousOne(t *testing.T) {
	w := newWorld(t, domaintest.Options{AutoApprove: true}, config.ConfidentialApp)
	s := w.session()
	_, first := connecting(t, s, signin.Browser)
	prompt, second := connecting(t, s, signin.Browser)
	if err := <-first; !problem.Is(err, problem.Cancelled) {
		t.Errorf("the first ended with %v", err)
	}
	if _, _, _, err := browse(t.Context(), prompt.URL); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Error(err)
	}
}

// TestTwoWindowsSignInAtOnce: one browser is opened, and the sign-in completes in both.
func TestTwoWindowsSignInAtOnce(t *testing.T) {
	for _, flow := range []signin.Flow{signin.Browser, signin.Device} {
		t.Run(string(flow), func(t *testing.T) {
			w := newWorld(t, domaintest.Options{AutoApprove: true}, config.ConfidentialApp)
			here, there := w.session(), w.session()
			prompt, ended := connecting(t, here, flow)
			same, endedToo := connecting(t, there, flow)
			if same.URL != prompt.URL || same.UserCode != prompt.UserCode || same.BrowserOpened {
				t.Errorf("prompts %+v and %+v", prompt, same)
			}
			if _, _, _, err := browse(t.Context(), prompt.URL); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := <-endedToo; err != nil {
				t.Error(err)
			}
			if w.mustToken(here, "").Access != w.mustToken(there, "").Access || w.Count(domaintest.Authorize)+w.Count(domaintest.Device) != 1 {
				t.Error("not the same sign-in")
			}
		})
	}
}

func TestOtherWindowCancelsTheSignIn(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	here, there := w.session(), w.session()
	_, ended := connecting(t, here, signin.Browser)
	_, endedToo := connecting(t, there, signin.Browser)
	here.Close()
	<-ended
	if err := <-endedToo; !problem.Is(err, problem.LoginTimeout) {
		t.Errorf("the one that waited: %v", err)
	}
	_, again := connecting(t, there, signin.Browser)
	there.Close()
	if err := <-again; !problem.Is(err, problem.Cancelled) {
		t.Error(err)
	}
}

func TestCallerCancels(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	for _, flow := range allFlows {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := w.session().Connect(ctx, ConnectOptions{Flow: flow, Prompt: func(signin.Prompt) { cancel() }})
		if !problem.Is(err, problem.Cancelled) {
			t.Errorf("%s: %v", flow, err)
		}
	}
}

func TestDisconnect(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.signedIn()
	s, other := w.session(), w.session()
	w.mustToken(other, "")
	revoked, err := s.Disconnect(t.Context())
	if err != nil || !revoked || w.Count(domaintest.Revoke) != 1 {
		t.Errorf("revoked %v, %d requests, %v", revoked, w.Count(domaintest.Revoke), err)
	}
	for _, session := range []*Session{s, other, w.session()} {
		if _, err := session.Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) {
			t.Errorf("after signing out: %v", err)
		}
	}
}

func TestNewerFileFormatIsNotReplaced(t *testing.T) {
	w := newWorld(t, domaintest.Options{AutoApprove: true}, config.ConfidentialApp)
	w.signedIn()
	path := tokens.Open(w.places, w.config).Path()
	writeFile(t, path, `{"version": 99}`)
	s := w.session()
	_, err := s.Connect(t.Context(), ConnectOptions{Prompt: func(signin.Prompt) { t.Error("prompted") }})
	if !problem.Is(err, problem.Store) || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("signing in: %v", err)
	}
	if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.Store) {
		t.Errorf("a token: %v", err)
	}
	if _, err := s.Disconnect(t.Context()); !problem.Is(err, problem.Store) {
		t.Errorf("signing out: %v", err)
	}
	if readFile(t, path) != `{"version": 99}` {
		t.Error("the file was changed")
	}
}

// If another process hangs during a sign-in, it keeps its lock. This process stops waiting for
// it.
func TestOtherWindowHangsDuringSignIn(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	unlock, ok, err := tokens.Open(w.places, w.config).SignIn(string(signin.Browser)).TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer unlock()
	w.bubble(func(t *testing.T) {
		s := w.session()
		s.signInTime = 10 * time.Second // each look at the lock goes to the disk
		_, err := s.Connect(t.Context(), ConnectOptions{Flow: signin.Browser, Prompt: func(signin.Prompt) {}})
		if !problem.Is(err, problem.LoginTimeout) {
			t.Errorf("%v", err)
		}
	})
}

func TestPastedDenialEndsTheSignIn(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	s := w.session()
	prompt, ended := connecting(t, s, signin.Paste)
	redirect, err := w.Deny(t.Context(), prompt.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Answer(t.Context(), redirect); !problem.Is(err, problem.LoginDenied) {
		t.Errorf("the answer: %v", err)
	}
	if err := <-ended; !problem.Is(err, problem.LoginDenied) {
		t.Errorf("the sign-in: %v", err)
	}
}

func TestDeviceFlowTakesNoPaste(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	s := w.session()
	_, ended := connecting(t, s, signin.Device)
	if err := s.Answer(t.Context(), "x"); err == nil {
		t.Error("taken")
	}
	s.Close()
	<-ended
}

// The browser gets the environment of this process without the variable that holds the client
// secret.
func TestBrowserEnvironmentHasNoSecret(t *testing.T) {
	t.Setenv("CI", "")
	t.Setenv("MY_CLIENT_SECRET", domaintest.ConfidentialSecret)
	t.Setenv("SOMETHING_ELSE", "is there")
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.configure(map[string]any{
		"domain_url": w.URL, "llm_base_url": w.LLMBaseURL, "redirect_uri": domaintest.FreeRedirect(),
		"client_id": domaintest.ConfidentialClient, "client_secret": "{env:MY_CLIENT_SECRET}",
	})
	opened := domaintest.NotingBrowser(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := w.session().Connect(ctx, ConnectOptions{Flow: signin.Browser, OpenBrowser: true, Prompt: func(p signin.Prompt) {
		if !p.BrowserOpened {
			t.Error("no browser was opened")
		}
		cancel()
	}})
	if !problem.Is(err, problem.Cancelled) {
		t.Error(err)
	}
	_, environ := opened(true)
	if !strings.Contains(environ, "SOMETHING_ELSE=is there") {
		t.Errorf("the browser had %q", environ)
	}
	if strings.Contains(environ, "MY_CLIENT_SECRET") || strings.Contains(environ, domaintest.ConfidentialSecret) {
		t.Errorf("the browser had the client secret:\n%s", environ)
	}
}

func TestFlowsSuitTheApplicationAndTheMachine(t *testing.T) {
	for _, c := range []struct {
		method  config.AuthMethod
		browser string // the variable BROWSER
		signIn  string
		want    []signin.Flow
	}{
		{config.ConfidentialApp, "browser", "", []signin.Flow{signin.Browser, signin.Device, signin.Paste}},
		{config.MobileApp, "browser", "", []signin.Flow{signin.Device, signin.Browser, signin.Paste}},
		{config.PublicApp, "browser", "", []signin.Flow{signin.Browser, signin.Device, signin.Paste}},
		{config.ConfidentialApp, "", "", []signin.Flow{signin.Device, signin.Paste, signin.Browser}},
		{config.MobileApp, "", "", []signin.Flow{signin.Device, signin.Paste, signin.Browser}},
		{config.ConfidentialApp, "browser", "device", []signin.Flow{signin.Device, signin.Browser, signin.Paste}},
		{config.ConfidentialApp, "browser", "paste", []signin.Flow{signin.Paste, signin.Browser, signin.Device}},
		{config.ConfidentialApp, "", "browser", []signin.Flow{signin.Browser, signin.Device, signin.Paste}},
		{config.MobileApp, "browser", "browser", []signin.Flow{signin.Browser, signin.Device, signin.Paste}},
	} {
		t.Setenv("BROWSER", c.browser)
		t.Setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
		w := newWorld(t, domaintest.Options{}, c.method)
		w.config.SignIn = c.signIn
		s := w.session()
		if got := s.Flows(); !slices.Equal(got, c.want) {
			t.Errorf("%s with BROWSER=%s and sign_in %q: %q, want %q", c.method, c.browser, c.signIn, got, c.want)
		}
	}
}

// In CI no flow begins, because nobody could sign in.
func TestNoSignInInCI(t *testing.T) {
	t.Setenv("CI", "true")
	for _, flow := range append(allFlows, "") {
		s := newWorld(t, domaintest.Options{AutoApprove: true, AutoApproveDevices: true}, config.ConfidentialApp).session()
		_, err := s.Connect(t.Context(), ConnectOptions{Flow: flow, OpenBrowser: true, Prompt: func(p signin.Prompt) { t.Errorf("a prompt was shown: %+v", p) }})
		if !problem.Is(err, problem.LoginRequired) || !strings.Contains(err.Error(), "CI") {
			t.Errorf("flow %q: %v", flow, err)
		}
	}
}
