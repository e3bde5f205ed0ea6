package oidc

import (
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// answers has the domain answer one operation with a text of the test.
func (w *world) answers(op domaintest.Operation, status int, body string) {
	w.Change(func(o *domaintest.Options) {
		o.Tamper = func(done domaintest.Operation, rw http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			if done != op {
				honest(rw, r)
				return
			}
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body)
		}
	})
}

// TestEndpointsElsewhere: a discovery document cannot send codes, secrets and
// tokens to another host (RFC 9700, 4.4).
func TestEndpointsElsewhere(t *testing.T) {
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	at := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "revocation_endpoint"} {
		for _, address := range []string{at + "/x", "https://evil.example/x"} {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			w.answers(domaintest.Discovery, http.StatusOK, fmt.Sprintf(`{"issuer":"i",%q:%q}`, name, address))
			for _, flow := range allFlows {
				_, err := w.session().Connect(t.Context(), ConnectOptions{Flow: flow, Prompt: func(signin.Prompt) { t.Errorf("%s: prompted", name) }})
				if !problem.Is(err, problem.Domain) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "another host, "+mustURL(t, address).Host) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	// Nor can the file of the saved tokens.
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	tok := w.expired()
	tok.Endpoints = tokens.Endpoints{Token: at, Revocation: at}
	w.save(tok)
	s := w.session()
	w.mustToken(s, "")
	tok = w.saved()
	tok.Endpoints = tokens.Endpoints{Token: at, Revocation: at}
	w.save(tok)
	if revoked, err := s.Disconnect(t.Context()); !revoked || err != nil {
		t.Errorf("%v, %v", revoked, err)
	}
	if reached {
		t.Error("another host was reached")
	}
}

// hostileWords is a text that would do harm if it were shown as it is.
const hostileWords = "\x1b]0;owned\x07\x1b[2J\u202e\u2028<script>alert(1)</script>\r\nSet-Cookie: x"

// TestHostileDomainIsHarmless has a row for each harmful answer during a sign-in. Each
// ends the sign-in with a problem that is safe to show. No tokens are saved, and the
// existing ones stay.
func TestHostileDomainIsHarmless(t *testing.T) {
	id := func(claims string) string {
		return `{"access_token":"a","token_type":"Bearer","expires_in":3600,"id_token":"` + jwt(claims) + `"}`
	}
	good := `"iss":"` + domaintest.GenericIssuer + `","aud":"confidential-client","exp":99999999999,"sub":"s"`
	megabytes := strings.Repeat("a", 10<<20)
	for _, test := range []struct {
		name   string
		op     domaintest.Operation
		flow   signin.Flow
		status int
		body   string
		want   string
	}{
		{"discovery is a page", domaintest.Discovery, signin.Browser, 200, "<html>" + hostileWords, "not an identity domain's"},
		{"discovery is huge", domaintest.Discovery, signin.Browser, 200, `{"issuer":"` + megabytes + `"}`, "not an identity domain's"},
		{"discovery is deep", domaintest.Discovery, signin.Browser, 200, `{"x":` + strings.Repeat("[", 20000), "not an identity domain's"},
		{"discovery is a list", domaintest.Discovery, signin.Browser, 200, `[]`, "not an identity domain's"},
		{"an endpoint is a script", domaintest.Discovery, signin.Browser, 200, `{"authorization_endpoint":"javascript:alert(1)"}`, "authorization_endpoint"},
		{"an endpoint is an option", domaintest.Discovery, signin.Browser, 200, `{"authorization_endpoint":"--new-window"}`, "authorization_endpoint"},
		{"an endpoint is long", domaintest.Discovery, signin.Browser, 200, `{"token_endpoint":"https://127.0.0.1/` + strings.Repeat("x", 10000) + `"}`, "token_endpoint"},
		{"words that harm", domaintest.Token, signin.Browser, 400, `{"error":"invalid_request","error_description":` + quote(hostileWords) + `}`, "invalid_request"},
		{"a code that harms", domaintest.Token, signin.Browser, 400, `{"error":` + quote(hostileWords) + `}`, "refused"},
		{"a token is huge", domaintest.Token, signin.Browser, 200, `{"access_token":"` + megabytes + `"}`, "not an identity domain's"},
		{"a token ends a header", domaintest.Token, signin.Device, 200, `{"access_token":"a\r\nX-Evil: 1","token_type":"Bearer"}`, "cannot be used"},
		{"a token of 100 KB", domaintest.Token, signin.Device, 200, `{"access_token":"` + megabytes[:100<<10] + `","token_type":"Bearer"}`, "cannot be used"},
		{"a refresh token with a line break", domaintest.Token, signin.Device, 200, `{"access_token":"a","refresh_token":"a\nb","token_type":"Bearer"}`, "cannot be used"},
		{"a token of another type", domaintest.Token, signin.Device, 200, `{"access_token":"a","token_type":"DPoP"}`, "not Bearer"},
		{"a token of a type that harms", domaintest.Token, signin.Device, 200, `{"access_token":"a","token_type":` + quote(hostileWords) + `}`, "not Bearer"},
		{"no token", domaintest.Token, signin.Browser, 200, `{}`, "without a token"},
		{"a form instead of JSON", domaintest.Token, signin.Browser, 200, `access_token=a&token_type=Bearer`, "there is none, although scope asks for openid"},
		{"an error with success", domaintest.Token, signin.Device, 200, `{"error":"access_denied","access_token":"a"}`, "refused"},
		{"no ID token", domaintest.Token, signin.Browser, 200, `{"access_token":"a","token_type":"Bearer"}`, "there is none"},
		{"an ID token without the nonce", domaintest.Token, signin.Browser, 200, id("{" + good + "}"), "it has no nonce"},
		{"an ID token of another issuer", domaintest.Token, signin.Browser, 200, id(`{"iss":"https://evil.example"}`), "another issuer"},
		{"an ID token for another application", domaintest.Token, signin.Browser, 200, id(`{"iss":"` + domaintest.GenericIssuer + `","aud":"x"}`), "another application"},
		{"an ID token in the device flow", domaintest.Token, signin.Device, 200, id(`{"iss":"` + domaintest.GenericIssuer + `","aud":"x"}`), "another application"},
		{"the code is to be entered in a script", domaintest.Device, signin.Device, 200, deviceAnswer("javascript:alert(1)"), "not an identity domain's"},
		{"in a file", domaintest.Device, signin.Device, 200, deviceAnswer("file:///etc/passwd"), "not an identity domain's"},
		{"in an option", domaintest.Device, signin.Device, 200, deviceAnswer("--incognito"), "not an identity domain's"},
		{"at a name that looks like another", domaintest.Device, signin.Device, 200, deviceAnswer("https://idcs.ex\u0430mple/"), "not an identity domain's"},
		{"with a password", domaintest.Device, signin.Device, 200, deviceAnswer("https://idcs.example@evil.example/"), "not an identity domain's"},
		{"a user code that harms", domaintest.Device, signin.Device, 200, `{"device_code":"d","user_code":` + quote(hostileWords) + `,"verification_uri":"https://x/"}`, "not an identity domain's"},
		{"no device code", domaintest.Device, signin.Device, 200, `{"user_code":"X","verification_uri":"https://x/"}`, "not an identity domain's"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{AutoApprove: true, AutoApproveDevices: true}, config.ConfidentialApp)
			before := w.signedIn()
			opened := domaintest.NotingBrowser(t)
			w.answers(test.op, test.status, test.body)
			s := w.session()
			var prompt signin.Prompt
			run := func(t *testing.T) {
				_, err := s.Connect(t.Context(), ConnectOptions{Flow: test.flow, OpenBrowser: true, Prompt: func(p signin.Prompt) {
					prompt = p
					if test.flow == signin.Browser {
						go browse(t.Context(), p.URL) //nolint:errcheck // the end is what counts
					}
				}})
				p := problem.From(err)
				if err == nil || !strings.Contains(p.Message, test.want) {
					t.Fatalf("ended with %v", err)
				}
				for _, text := range []string{p.Message, p.Hint, err.Error()} {
					if strings.ContainsAny(text, "\x1b\x07\r\u202e\u2028") || len(text) > 1000 {
						t.Errorf("told %q", text)
					}
				}
			}
			if test.flow == signin.Device {
				w.bubble(run)
			} else {
				run(t)
			}
			if prompt.URL != "" && !discovery.SecureURL(prompt.URL) {
				t.Errorf("prompt %+v", prompt)
			}
			// A browser that is still starting would write into a directory that is removed.
			if notes, _ := opened(prompt.BrowserOpened); notes != "" && test.op != domaintest.Token {
				t.Errorf("opened %q", notes)
			}
			if saved := w.saved(); saved.Access != before.Access || saved.Refresh != before.Refresh {
				t.Error("the session before was not kept")
			}
		})
	}
}

func quote(text string) string {
	return `"` + strings.NewReplacer("\x1b", `\u001b`, "\x07", `\u0007`, "\r", `\r`, "\n", `\n`, `"`, `\"`).Replace(text) + `"`
}

func deviceAnswer(address string) string {
	return `{"device_code":"d","user_code":"ABCD","verification_uri":"` + address + `"}`
}

// TestDeviceIntervalAndLifetimeAreBounded: a very long interval or expires_in in a device
// authorization response is cut to a maximum, and a number that overflows does no harm.
func TestDeviceIntervalAndLifetimeAreBounded(t *testing.T) {
	const longest = 30 * time.Minute
	for _, numbers := range []string{
		`"interval":9223372036854775807,"expires_in":9223372036854775807`, `"interval":10000000000,"expires_in":10000000000`,
		`"interval":-1,"expires_in":-1`, `"interval":0,"expires_in":0`, `"interval":100000,"expires_in":100000`,
	} {
		t.Run(numbers, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{AutoApproveDevices: true}, config.ConfidentialApp)
			w.replaceIn(domaintest.Device, `"expires_in":300`, numbers)
			w.bubble(func(t *testing.T) {
				s := w.session()
				began := time.Now()
				prompt, ended := connecting(t, s, signin.Device)
				if wait := prompt.ExpiresAt.Sub(began); wait > longest {
					t.Errorf("waits %v", wait)
				}
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if wait := time.Since(began); wait > longest {
					t.Errorf("waited %v", wait)
				}
			})
		})
	}
}

// TestSecretsOfARequestAreNotQuoted: if the domain's error answer repeats secrets of the request,
// they do not appear in the message, neither decoded nor encoded as in the request.
func TestSecretsOfARequestAreNotQuoted(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.Change(func(o *domaintest.Options) {
		o.Tamper = func(op domaintest.Operation, rw http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			if op != domaintest.Token {
				honest(rw, r)
				return
			}
			_, password, _ := r.BasicAuth()
			_, basic, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			f := r.PostForm
			for _, name := range []string{"code", "code_verifier", "refresh_token"} {
				password += " " + f.Get(name) + " " + url.QueryEscape(f.Get(name))
			}
			rw.Header().Set("X-ORACLE-DMS-ECID", "id-"+password)
			rw.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(rw, `{"error":%s,"error_description":%s}`, quote(password), quote(basic+" "+password))
		}
	})
	secrets := []string{domaintest.ConfidentialSecret, base64.StdEncoding.EncodeToString([]byte(domaintest.ConfidentialSecret[1:]))} // as it stands in HTTP Basic
	tell := func(err error) {
		t.Helper()
		if err == nil {
			t.Fatal("no error")
		}
		for _, request := range w.Requests(domaintest.Token) {
			for _, name := range []string{"code", "code_verifier", "refresh_token"} {
				if value := request.Form.Get(name); value != "" {
					secrets = append(secrets, value, url.QueryEscape(value))
				}
			}
		}
		for _, secret := range secrets {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v tells %s", err, secret)
			}
		}
	}
	tokens := w.expired()
	_, err := w.session().Token(t.Context(), "")
	tell(err)
	w.save(tokens)
	redirect, ended := signingIn(t, w, w.session())
	_, body, _, _ := browse(t.Context(), redirect)
	tell(<-ended)
	for _, secret := range secrets {
		if strings.Contains(body, secret) {
			t.Errorf("the page tells %s", secret)
		}
	}
}

// The domain refuses with an error that repeats its own secrets and those of the request. The
// log has none of them.
func TestEchoedSecretsAreNotLogged(t *testing.T) {
	const deviceCode = "2f6c0a1e-77f5-4d5b-9f0e-8a51d4c2b7e9"
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	var mu sync.Mutex
	told := []string{deviceCode}
	w.Change(func(o *domaintest.Options) {
		o.Tamper = func(op domaintest.Operation, rw http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			mu.Lock()
			defer mu.Unlock()
			switch op {
			case domaintest.Authorize:
				told = append(told, r.FormValue("state"), r.FormValue("nonce"))
				honest(rw, r)
			case domaintest.Device:
				_, _ = fmt.Fprintf(rw, `{"device_code":%q}`, deviceCode)
			case domaintest.Token:
				_, basic, _ := strings.Cut(r.Header.Get("Authorization"), " ")
				told = append(told, domaintest.ConfidentialSecret, basic)
				said, id := told, r.PostFormValue("code") // which are quoted up to a limit
				for _, name := range []string{"refresh_token", "code", "code_verifier"} {
					if value := r.PostFormValue(name); value != "" {
						told = append(told, value)
					}
				}
				if id == "" {
					said, id = []string{r.PostFormValue("refresh_token"), basic}, domaintest.ConfidentialSecret
				}
				rw.Header().Set("X-ORACLE-DMS-ECID", id)
				rw.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprintf(rw, `{"error":"invalid_request","error_description":%q}`, strings.Join(said, " "))
			default:
				honest(rw, r)
			}
		}
	})
	path := filepath.Join(t.TempDir(), "log")
	log := logging.Open(path)
	log.Configure(logging.LevelVerbose, path, false)
	s, err := NewSession(w.config, w.places, log.Logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if _, err := s.Connect(t.Context(), ConnectOptions{Flow: signin.Device}); err == nil {
		t.Error("signed in")
	}
	tokens := w.expired()
	if _, err := s.Token(t.Context(), ""); err == nil {
		t.Error("refreshed")
	}
	redirect, ended := signingIn(t, w, s)
	visit(t, redirect, nil)
	if <-ended == nil {
		t.Error("signed in")
	}
	log.Close()
	text, err := os.ReadFile(path)
	if err != nil || strings.Count(string(text), "invalid_request") < 2 {
		t.Fatalf("%v: %s", err, text)
	}
	for _, one := range append(told, tokens.Access.Reveal()) {
		for from := 0; from+16 <= len(one); from += 8 {
			if part := one[from : from+16]; strings.Contains(string(text), part) && !strings.HasPrefix(one, "eyJ") {
				t.Errorf("%s of %s is in the log", part, one)
				break
			}
		}
	}
	if len(told) < 10 {
		t.Errorf("only %q was told", told)
	}
}

// A refresh gets answers that are too large or never end. The session continues afterwards.
func TestOversizedAnswers(t *testing.T) {
	elsewhere := 0
	for name, answer := range map[string]http.HandlerFunc{
		"a bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			bomb := gzip.NewWriter(w)
			zeros := make([]byte, 1<<20)
			for range 1 << 10 {
				if _, err := bomb.Write(zeros); err != nil {
					return
				}
			}
		},
		"no end": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<16)); err != nil {
					return
				}
			}
		},
		"many headers": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 5000 {
				w.Header().Set(fmt.Sprintf("X-Header-%d", i), strings.Repeat("x", 50))
			}
		},
		"one long header": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Header", strings.Repeat("x", 1<<20))
		},
		"many interim answers": func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				w.Header().Set("Link", strings.Repeat("x", 1000))
				w.WriteHeader(http.StatusEarlyHints)
			}
		},
		"redirects in a circle": func(w http.ResponseWriter, r *http.Request) {
			elsewhere++
			http.Redirect(w, r, r.URL.Path+"x", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			old := w.expired()
			hostile := httptest.NewServer(answer)
			defer hostile.Close()
			tokens := old
			tokens.Endpoints.Token = hostile.URL
			w.save(tokens)
			_, err := w.session().Token(t.Context(), "")
			endless := name == "a bomb" || name == "no end"
			if err == nil || problem.Is(err, problem.Internal) || endless && !strings.Contains(err.Error(), "too large") {
				t.Errorf("%v", err)
			}
			if saved := w.saved(); saved.Refresh != old.Refresh {
				t.Error("the refresh token is lost")
			}
			w.save(old)
			w.mustToken(w.session(), "")
		})
	}
	if elsewhere > 1 {
		t.Errorf("%d redirects were followed", elsewhere)
	}
}

// TestRefreshForAnotherPersonFails: a refresh whose ID token names another person fails, and the
// tokens of the person who signed in are kept.
func TestRefreshForAnotherPersonFails(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	old := w.expired()
	w.replaceIn(domaintest.Token, `"id_token":"`, `"id_token":"`+jwt(`{"sub":"mallory@example.com"}`)+`","was":"`)
	if _, err := w.session().Token(t.Context(), ""); !problem.Is(err, problem.Domain) || !strings.Contains(err.Error(), "another person") {
		t.Errorf("%v", err)
	}
	if saved := w.saved(); saved.Refresh != old.Refresh || saved.Subject != old.Subject {
		t.Errorf("saved %+v", saved)
	}
}
