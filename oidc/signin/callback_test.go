package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin/pages"
)

// TestAuthorizationRequest: the request has exactly the registered redirect URI, an S256
// challenge, and a state, nonce and verifier that cannot be guessed.
func TestAuthorizationRequest(t *testing.T) {
	w := newWorld(t, domaintest.Options{})
	seen := map[string]bool{}
	for range 3 {
		person := w.person()
		redirect, ended := signingIn(t, w, person)
		endsWell(t, redirect, ended)
	}
	for i, request := range w.Requests(domaintest.Authorize) {
		form, redeemed := request.Form, w.Requests(domaintest.Token)[i].Form
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			// 128 bits at least (RFC 6749, 10.10).
			if value := form.Get(name); len(value) < 26 || seen[value] {
				t.Errorf("%s %q was used before, or is short", name, value)
			} else {
				seen[value] = true
			}
		}
		sum := sha256.Sum256([]byte(redeemed.Get("code_verifier")))
		if form.Get("code_challenge_method") != "S256" || form.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
			t.Errorf("no S256 challenge of %q", redeemed.Get("code_verifier"))
		}
		if n := len(redeemed.Get("code_verifier")); n < 43 || n > 128 {
			t.Errorf("a verifier of %d characters", n)
		}
		for _, form := range []url.Values{form, redeemed} {
			if form.Get("redirect_uri") != w.config.RedirectURIs[0] {
				t.Errorf("redirect_uri %q", form.Get("redirect_uri"))
			}
		}
		if form.Get("response_type") != "code" || form.Has("response_mode") {
			t.Errorf("response %q %q", form.Get("response_type"), form.Get("response_mode"))
		}
	}
}

// TestOnlyNavigationIsACallback: embedded and prefetched requests are refused even with the right
// state. The person's own navigation then succeeds.
func TestOnlyNavigationIsACallback(t *testing.T) {
	w := newWorld(t, domaintest.Options{})
	redirect, ended := signingIn(t, w, w.person())
	for _, header := range [][2]string{
		{"Sec-Fetch-Dest", "iframe"}, {"Sec-Fetch-Dest", "image"}, {"Sec-Fetch-Dest", "empty"}, {"Sec-Fetch-Dest", "script"},
		{"Sec-Purpose", "prefetch"}, {"Sec-Purpose", "prefetch;prerender"}, {"Purpose", "prefetch"},
	} {
		resp := visit(t, redirect, func(r *http.Request) { r.Header.Set(header[0], header[1]) })
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %s", header, resp.Status)
		}
	}
	if n := w.Count(domaintest.Token); n != 0 {
		t.Errorf("%d codes were redeemed", n)
	}
	endsWell(t, redirect, ended)
}

// TestOnlyTheRegisteredRedirectURI: host, port, method and path must match exactly, without
// normalisation of the path.
func TestOnlyTheRegisteredRedirectURI(t *testing.T) {
	w := newWorld(t, domaintest.Options{})
	redirect, ended := signingIn(t, w, w.person())
	for _, path := range []string{"/Callback", "/callback/", "//callback", "/call%62ack", "/x/../callback", "/callback;x"} {
		resp := visit(t, strings.Replace(redirect, "/callback", path, 1), nil)
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	port := strings.TrimPrefix(mustURL(t, redirect).Host, "localhost")
	for _, host := range []string{"evil.example" + port, "127.0.0.1" + port, "localhost.evil.example" + port, "localhost", "localhost:1"} {
		resp := visit(t, redirect, func(r *http.Request) { r.Host = host })
		if resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("Host %s: %s", host, resp.Status)
		}
	}
	for _, method := range []string{"POST", "HEAD", "PUT", "OPTIONS", "DELETE", "TRACE", "PROPFIND"} {
		resp := visit(t, redirect, func(r *http.Request) { r.Method = method })
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != http.MethodGet {
			t.Errorf("%s: %s", method, resp.Status)
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: other pages are allowed in: %s", method, name)
			}
		}
	}
	endsWell(t, redirect, ended)
}

// TestErrorCallbacksNeedTheState: an error response ends the sign-in only if it has the
// state, so that other web pages cannot end it.
func TestErrorCallbacksNeedTheState(t *testing.T) {
	w := newWorld(t, domaintest.Options{})
	redirect, ended := signingIn(t, w, w.person())
	state := mustURL(t, redirect).Query().Get("state")
	for _, query := range []string{
		"error=access_denied", "error=server_error&state=x", "error=access_denied&state=", "error=access_denied&state=" + state[1:],
		"error=access_denied&state=x&state=" + state, "error=access_denied&state=" + state + "&state=x",
		"error=a&error=b&state=" + state, "code=a&code=b&state=" + state,
	} {
		if resp := visit(t, w.config.RedirectURIs[0]+"?"+query, nil); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", query, resp.Status)
		}
	}
	endsWell(t, redirect, ended)

	redirect, ended = signingIn(t, w, w.person())
	state = mustURL(t, redirect).Query().Get("state")
	status, body, last, err := browse(t.Context(), w.config.RedirectURIs[0]+"?error=access_denied&error_description="+
		url.QueryEscape("<script>alert(1)</script>\x1b[2J "+state)+"&state="+state)
	if err != nil || status != http.StatusOK || !strings.Contains(body, "Not signed in") || strings.ContainsAny(body, "\x1b") || strings.Contains(body, "<script") {
		t.Errorf("%d %s %v", status, body, err)
	}
	if strings.Contains(body+last, state) {
		t.Error("the state is shown")
	}
	if err := <-ended; !problem.Is(err, problem.LoginDenied) || strings.Contains(err.Error(), "\x1b") || strings.Contains(err.Error(), state) {
		t.Errorf("%v", err)
	}
}

// TestFirstCallbackCounts: only the first response with the state is used. Later ones get
// the result page and change nothing.
func TestFirstCallbackCounts(t *testing.T) {
	w := newWorld(t, domaintest.Options{})
	redirect, ended := signingIn(t, w, w.person())
	u := mustURL(t, redirect)
	hold := make(chan struct{})
	w.Change(func(o *domaintest.Options) {
		o.Tamper = func(op domaintest.Operation, rw http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			if op == domaintest.Token {
				<-hold
			}
			honest(rw, r)
		}
	})
	answers := make(chan *http.Response, 3)
	callback := func(query string) {
		answers <- visit(t, u.Scheme+"://"+u.Host+u.Path+"?"+query, nil)
	}
	go callback(u.RawQuery)
	for w.Count(domaintest.Token) == 0 {
		time.Sleep(time.Millisecond)
	}
	go callback("code=another&state=" + u.Query().Get("state"))
	go callback("error=access_denied&state=" + u.Query().Get("state"))
	close(hold)
	for range 3 {
		if answer := <-answers; answer.StatusCode != http.StatusSeeOther {
			t.Error(answer.Status)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := w.Count(domaintest.Token); n != 1 {
		t.Errorf("%d codes were redeemed", n)
	}
	if _, err := net.DialTimeout("tcp", u.Host, time.Second); err == nil {
		t.Error("the listener still is there")
	}
}

// TestEveryPageIsHardened: every page has the security headers, the error pages too.
func TestEveryPageIsHardened(t *testing.T) {
	w := newWorld(t, domaintest.Options{})
	prompt, ended := connecting(t, w.person(), Browser)
	authorization := authorizationURL(t, prompt)
	redirect, err := w.Allow(t.Context(), authorization)
	if err != nil {
		t.Fatal(err)
	}
	answers := []*http.Response{visit(t, prompt.URL, nil), visit(t, w.config.RedirectURIs[0], nil), visit(t, redirect, nil)}
	if answers[2].StatusCode != http.StatusSeeOther || strings.ContainsAny(answers[2].Header.Get("Location"), "?&=#") {
		t.Fatalf("the code is still in the address: %s to %s", answers[2].Status, answers[2].Header.Get("Location"))
	}
	last := mustURL(t, redirect).ResolveReference(mustURL(t, answers[2].Header.Get("Location")))
	answers = append(answers, visit(t, last.String(), nil))
	for _, answer := range answers {
		for name, want := range map[string]string{
			"Content-Security-Policy":    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
			"Referrer-Policy":            "no-referrer",
			"Cache-Control":              "no-store",
			"X-Content-Type-Options":     "nosniff",
			"X-Frame-Options":            "DENY",
			"Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", answer.Request.URL.Path, name, got)
			}
		}
		body, _ := io.ReadAll(answer.Body)
		if strings.Contains(string(body), "<script") || strings.Contains(string(body), "http-equiv") || answer.StatusCode == http.StatusOK && strings.Contains(string(body), "://") && strings.Contains(string(body), "src=") {
			t.Errorf("%s holds %s", answer.Request.URL.Path, body)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestListenerIsOnLoopbackOnly: for localhost the listener is on both loopback addresses, for
// a literal address only on that one, and always on the registered port.
func TestListenerIsOnLoopbackOnly(t *testing.T) {
	for redirect, want := range map[string]string{
		"http://localhost:8888/callback": "127.0.0.1:8888 [::1]:8888",
		"http://LOCALHOST:8888/callback": "127.0.0.1:8888 [::1]:8888",
		"http://127.0.0.1:8888/callback": "127.0.0.1:8888",
		"http://[::1]:8888/callback":     "[::1]:8888",
		"http://localhost/callback":      "127.0.0.1:80 [::1]:80",
	} {
		if got := strings.Join(loopbackAddresses(mustURL(t, redirect)), " "); got != want {
			t.Errorf("%s listens at %s", redirect, got)
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Skip("the other addresses of this machine are unknown, as under wine:", err)
	}
	w := newWorld(t, domaintest.Options{})
	redirect, ended := signingIn(t, w, w.person())
	for _, one := range addresses {
		if network, ok := one.(*net.IPNet); ok && !network.IP.IsLoopback() {
			address := net.JoinHostPort(network.IP.String(), mustURL(t, redirect).Port())
			if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
				conn.Close()
				t.Errorf("answers at %s", address)
			}
		}
	}
	endsWell(t, redirect, ended)
}

// TestFloodOfConnections opens many idle connections, and some with a very long header.
// The person's browser is still served, and the number of connections is bounded.
func TestFloodOfConnections(t *testing.T) {
	w := newWorld(t, domaintest.Options{})
	redirect, ended := signingIn(t, w, w.person())
	host := mustURL(t, redirect).Host
	var flood []net.Conn
	for range 5 * maxCallers {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: ")
		flood = append(flood, conn)
	}
	for range 50 {
		visit(t, w.config.RedirectURIs[0]+"?code=guess&state="+strings.Repeat("x", 1000), nil)
	}
	large, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(mustRequest(t, http.MethodGet, redirect+"&x="+strings.Repeat("x", 1<<20)))
	if err == nil {
		large.Body.Close()
		if large.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a request of a megabyte: %s", large.Status)
		}
	}
	closed := 0
	for _, conn := range flood {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		var timeout net.Error
		if _, err := conn.Read(make([]byte, 1)); err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
			closed++
		}
	}
	if closed < 4*maxCallers {
		t.Errorf("%d of %d connections were closed", closed, len(flood))
	}
	endsWell(t, redirect, ended)
}

// TestTwoDomainsWithOneIssuer: a response from one domain is not accepted as one from the
// other, although both have the same issuer (mix-up attack, RFC 9700, 4.4).
func TestTwoDomainsWithOneIssuer(t *testing.T) {
	honest, hostile := newWorld(t, domaintest.Options{}), newWorld(t, domaintest.Options{})
	if honest.Options().Issuer != hostile.Options().Issuer {
		t.Fatal("two issuers")
	}
	ofHonest, endedHonest := signingIn(t, honest, honest.person())
	ofHostile, endedHostile := signingIn(t, hostile, hostile.person())
	atHonest, atHostile := mustURL(t, honest.config.RedirectURIs[0]), mustURL(t, hostile.config.RedirectURIs[0])
	// The response of one domain is sent to the listener of the other's sign-in.
	crossed := *atHonest
	crossed.RawQuery = mustURL(t, ofHostile).RawQuery
	if resp := visit(t, crossed.String(), nil); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an answer of another domain: %s", resp.Status)
	}
	// The honest domain's code with the other's state: the code is redeemed at the other
	// domain, with a verifier that does not match the code's challenge.
	query := mustURL(t, ofHostile).Query()
	query.Set("code", mustURL(t, ofHonest).Query().Get("code"))
	injected := *atHostile
	injected.RawQuery = query.Encode()
	if _, body, _, err := browse(t.Context(), injected.String()); err != nil || !strings.Contains(body, "Not signed in") {
		t.Errorf("%s %v", body, err)
	}
	if err := <-endedHostile; err == nil {
		t.Error("signed in with a code of another domain")
	}
	stolen := hostile.Requests(domaintest.Token)[0].Form
	challenge := honest.Requests(domaintest.Authorize)[0].Form.Get("code_challenge")
	if sum := sha256.Sum256([]byte(stolen.Get("code_verifier"))); base64.RawURLEncoding.EncodeToString(sum[:]) == challenge {
		t.Error("the other domain has the verifier")
	}
	endsWell(t, ofHonest, endedHonest)
}

// TestInjectedCodeIsRejected: a code that an attacker got from the same domain for the same
// client does not sign the person in as the attacker (RFC 9700, 4.5).
func TestInjectedCodeIsRejected(t *testing.T) {
	w := newWorld(t, domaintest.Options{})
	for _, way := range []Flow{Browser, Paste} {
		// The attacker's own authorization request had the same redirect URI.
		theirs := w.person()
		other, endedThere := connecting(t, theirs, Paste)
		redirect, err := w.Allow(t.Context(), other.URL)
		if err != nil {
			t.Fatal(err)
		}
		theirs.stop()
		<-endedThere
		code := mustURL(t, redirect).Query().Get("code")

		person := w.person()
		prompt, ended := connecting(t, person, way)
		if way == Paste {
			// A pasted code has no state. The domain refuses it because of the verifier, and
			// another one may be pasted.
			if err := person.answer(code); err == nil {
				t.Error("a code of another attempt was taken")
			}
			person.stop()
		} else {
			query := url.Values{"code": {code}, "state": {mustURL(t, authorizationURL(t, prompt)).Query().Get("state")}}
			if _, _, _, err := browse(t.Context(), w.config.RedirectURIs[0]+"?"+query.Encode()); err != nil {
				t.Error(err)
			}
		}
		if err := <-ended; err == nil || w.kept != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
}

// TestEveryResultHasItsPage: the result page says how the sign-in ended and which endpoint it
// was for; requests from other sites do not learn this.
func TestEveryResultHasItsPage(t *testing.T) {
	shows := func(t *testing.T, w *world, address string, want pages.Page) {
		t.Helper()
		_, body, _, err := browse(t.Context(), address)
		if err != nil || body != want.HTML(w.LLMBaseURL) {
			t.Errorf("not the page %q: %v\n%s", want.Title, err, body)
		}
	}
	t.Run("another sign-in's answer, and the right one twice", func(t *testing.T) {
		w := newWorld(t, domaintest.Options{})
		redirect, ended := signingIn(t, w, w.person())
		other := mustURL(t, redirect)
		other.RawQuery = "code=c&state=of-another"
		shows(t, w, other.String(), pages.OtherSignIn)
		w.Change(func(o *domaintest.Options) { o.TokenLatency = 300 * time.Millisecond })
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { shows(t, w, redirect, pages.SignedIn) })
		}
		both.Wait()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Run("too late", func(t *testing.T) {
		w := newWorld(t, domaintest.Options{})
		person := w.person()
		person.Patience = 10 * time.Millisecond
		prompt, ended := connecting(t, person, Browser)
		time.Sleep(20 * time.Millisecond)
		shows(t, w, prompt.URL, pages.TimedOut)
		if err := <-ended; !problem.Is(err, problem.LoginTimeout) {
			t.Error(err)
		}
	})
	t.Run("a page elsewhere", func(t *testing.T) {
		w := newWorld(t, domaintest.Options{})
		redirect, ended := signingIn(t, w, w.person())
		text, err := io.ReadAll(visit(t, redirect, func(r *http.Request) { r.Host = "evil.example" }).Body)
		if err != nil || strings.Contains(string(text), mustURL(t, w.LLMBaseURL).Host) {
			t.Errorf("the page of another site names the endpoint: %v %s", err, text)
		}
		endsWell(t, redirect, ended)
	})
}
