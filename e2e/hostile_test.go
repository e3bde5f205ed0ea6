package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// hostilePage fires at the redirect address all that a page can, and says at its
// end how much of it was answered.
const hostilePage = `<!doctype html><meta charset=utf-8><title>hostile</title><h1>waiting</h1>
<script type="speculationrules">{"prefetch":[{"source":"list","urls":["REDIRECT?code=a&state=prefetched"]}]}</script>
<link rel=prefetch href="REDIRECT?code=a&state=linked">
<script>
(async () => {
  const redirect = "REDIRECT", rebound = "REBOUND"
  let answered = 0
  const guess = () => "?code=" + Math.random() + "&state=" + Math.random().toString(36).slice(2)
  const shots = []
  for (let i = 0; i < 30; i++) shots.push(fetch(redirect + guess(), { mode: "no-cors" }))
  for (const method of ["POST", "HEAD"]) shots.push(fetch(redirect + guess(), { method, mode: "no-cors", body: method === "POST" ? "code=x&state=y" : undefined }))
  for (const query of ["", "?error=access_denied", "?error=access_denied&state=", "?state=", "?code=x&state=y&state=z"]) shots.push(fetch(redirect + query, { mode: "no-cors" }))
  for (const base of [rebound, redirect.replace("localhost", "127.0.0.1"), redirect + "/", redirect.replace("/callback", "/favicon.ico")]) {
    shots.push(fetch(base + guess(), { mode: "no-cors" }))
  }
  for (const result of await Promise.allSettled(shots)) answered += result.status === "fulfilled"
  let read = "nothing"
  for (const base of [redirect, rebound]) await fetch(base + guess()).then((r) => r.text()).then((text) => { read = text }, () => {})
  const loaded = (element, attribute, value) => new Promise((done) => {
    element.onload = element.onerror = done
    element[attribute] = value
    document.body.append(element)
  })
  await loaded(new Image(), "src", redirect + guess())
  const frame = document.createElement("iframe")
  frame.name = "frame"
  await loaded(frame, "src", redirect + guess())
  for (const method of ["post", "get"]) {
    const form = document.createElement("form")
    Object.assign(form, { method, action: redirect, target: "frame" })
    form.innerHTML = "<input name=code value=x><input name=state value=y>"
    document.body.append(form)
    await new Promise((done) => { frame.onload = done; form.submit() })
  }
  document.querySelector("h1").textContent = "answered " + answered + ", read " + read
})()
</script>`

// TestHostileWebPage: while a sign-in waits, a page in the same browser fires at its
// listener whatever a page can, and the person is led there by it, too. Then they
// sign in.
func TestHostileWebPage(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	domain := domaintest.New(t, domaintest.Options{})
	config := confidential(t, domain)
	me := newConfiguredComputer(t, opencode.Latest, config)
	redirect := config.Redirect
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, strings.NewReplacer("REDIRECT", redirect, "REBOUND", strings.Replace(redirect, "localhost", rebound, 1)).Replace(hostilePage))
	}))
	defer page.Close()
	me.signIn(withBrowser, func(t *testing.T, login *run) {
		start := login.opens()
		browser.opens(page.URL)
		browser.sees("answered 41, read nothing")
		for address, heading := range map[string]string{
			redirect + "?code=x&state=y":                                           "Not the sign-in that is waiting",
			redirect + "?error=access_denied":                                      "Not the sign-in that is waiting",
			strings.Replace(redirect, "localhost", rebound, 1) + "?code=x&state=y": "No sign-in is waiting here",
		} {
			browser.opens(address)
			browser.sees(heading)
		}
		if n := domain.Count(domaintest.Token); n != 0 {
			t.Errorf("%d codes went to the domain", n)
		}
		browser.opens(start)
		browser.sees("Sign in to your account")
		browser.signsIn(domaintest.DefaultUser.Name, domaintest.DefaultUser.Password)
		browser.sees("You are signed in")
	})
	if n := domain.Count(domaintest.Token); n != 1 {
		t.Errorf("%d codes went to the domain", n)
	}
}

// owned is what a hostile party wants a terminal to do.
const owned = "\x1b]0;owned\x07\x1b[2J"

// jsonOwned is owned in JSON, with what is no character of a line.
const jsonOwned = `\u001b]0;owned\u0007\u001b[2J\u202e`

// TestHostileDomain: each answer with which the domain could do harm ends a sign-in
// with words; nothing of it reaches the terminal, no browser opens what it names,
// and the session that was there goes on. OpenCode shows what it is given, which the
// first one shows.
func TestHostileDomain(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.signInAtThePrompt()
	bystander := newBystander(t)
	for _, attack := range []struct {
		operation  domaintest.Operation
		inOpenCode bool
		flow       string
		status     int
		body       string
		says       string
	}{
		{domaintest.Token, true, "browser", 400, `{"error":"invalid_request","error_description":"` + jsonOwned + ` SECRET"}`, "invalid_request"},
		{domaintest.Token, false, "browser", 200, `{"access_token":"` + strings.Repeat("a", 10<<20) + `"}`, "too large"},
		{domaintest.Device, false, "device", 200, `{"device_code":"d","user_code":"ABCD","verification_uri":"javascript:alert(1)"}`, "not an identity domain's"},
		{domaintest.Discovery, false, "device", 200, `{"token_endpoint":"` + bystander.url + `/t"}`, "another host"},
	} {
		domain.Change(func(o *domaintest.Options) {
			o.Tamper = func(operation domaintest.Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
				if operation != attack.operation {
					honest(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(attack.status)
				_, _ = io.WriteString(w, strings.ReplaceAll(attack.body, "SECRET", r.FormValue("code")+r.FormValue("code_verifier")))
			}
		})
		var said string
		if attack.inOpenCode {
			login := me.start("auth", "login", "-p", "oci-oidc", "-m", withBrowser)
			byItself(t, login)
			_ = login.ends()
			said = login.all.String()
		} else {
			said = me.connects("--flow", attack.flow)
		}
		if strings.Contains(said, "Login successful") || strings.Contains(said, "Signed in") {
			t.Errorf("the sign-in has succeeded: %s", said)
		}
		log, err := os.ReadFile(filepath.Join(me.Dir, "oci-oidc-debug.log"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(log), attack.says) {
			t.Errorf("nobody is told %q\n%s", attack.says, said)
		}
		told := said + string(log)
		if strings.Contains(told, owned[:10]) || strings.Contains(told, "\u202e") {
			t.Errorf("the terminal is told %q", told)
		}
		if kinds := secretsOf(t, domain, me).in(told); kinds != nil {
			t.Errorf("the terminal is told %v", kinds)
		}
	}
	if n := bystander.count.Load(); n != 0 {
		t.Errorf("another host was asked %d times", n)
	}
	domain.Change(func(o *domaintest.Options) { o.Tamper = nil })
	if output := me.atThePrompt("token"); !strings.HasPrefix(output, "eyJ") {
		t.Errorf("oci-oidc-helper token: %s", output)
	}
}

// newBystander is a server that nobody has a reason to ask.
func newBystander(t *testing.T) *bystander {
	e := &bystander{}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { e.count.Add(1) }))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	e.url = "http://localhost:" + u.Port()
	return e
}

type bystander struct {
	url   string
	count atomic.Int32
}

// TestHostileEndpoint: redirects take nothing with them, errors that echo the token
// and move terminals are shown without either, an answer without an end has one,
// and an endpoint that refuses every token causes no storm of refreshes. The session
// is there afterwards.
func TestHostileEndpoint(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.signInAtThePrompt()
	serve := me.serves("--print-logs", "--log-level", "DEBUG")
	bystander := newBystander(t)
	for _, attack := range []struct {
		name   string
		answer func(w http.ResponseWriter, token string)
		says   string
	}{
		{"redirect", func(w http.ResponseWriter, _ string) {
			w.Header().Set("Location", bystander.url+"/v1/chat/completions")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "redirects to " + bystander.url},
		{"an error that echoes", func(w http.ResponseWriter, token string) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Echo", token)
			w.Header().Set("Refresh", "0; url="+bystander.url)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"error":{"message":"said %s %s","type":"t"}}`, jsonOwned, token)
		}, "said"},
		{"an error without an end", func(w http.ResponseWriter, token string) {
			w.WriteHeader(http.StatusForbidden)
			for {
				if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)+token); err != nil {
					return
				}
			}
		}, ""},
		{"every token is refused", func(w http.ResponseWriter, token string) {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="`+token+`"`)
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = fmt.Fprintf(w, `{"error":{"message":"%s %s"}}`, jsonOwned, token)
		}, "refused"},
	} {
		domain.Change(func(o *domaintest.Options) {
			o.Tamper = func(operation domaintest.Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
				if operation != domaintest.Chat {
					honest(w, r)
					return
				}
				attack.answer(w, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			}
		})
		before := domain.Count(domaintest.Token)
		question := me.chats("oci-oidc")
		if question.err == nil && attack.says != "" {
			t.Errorf("%s: OpenCode ends well\n%s", attack.name, question.output())
		}
		me.isTold(question, attack.says)
		told := question.all.String() + serve.all.String()
		if strings.Contains(told, owned[:10]) || strings.Contains(told, "\u202e") {
			t.Errorf("%s: the terminal is told %q", attack.name, told)
		}
		if kinds := secretsOf(t, domain, me).in(told); kinds != nil {
			t.Errorf("%s: the terminal is told %v", attack.name, kinds)
		}
		if n := domain.Count(domaintest.Token) - before; n > 2 {
			t.Errorf("%s: %d refreshes", attack.name, n)
		}
	}
	if n := bystander.count.Load(); n != 0 {
		t.Errorf("another host was asked %d times", n)
	}
	domain.Change(func(o *domaintest.Options) { o.Tamper = nil })
	me.chats("oci-oidc").answers(greeting)
}
