package domaintest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestUncertainAuthorizationsEndOnAPageOfTheDomain(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	for name, others := range map[string][]string{
		"unknown client":   {"client_id", "nobody"},
		"no client":        {"client_id", ""},
		"no redirect":      {"redirect_uri", ""},
		"another port":     {"redirect_uri", "http://localhost:8766/callback"},
		"another host":     {"redirect_uri", "http://127.0.0.1:8765/callback"},
		"a trailing slash": {"redirect_uri", "http://localhost:8765/callback/"},
		"a query":          {"redirect_uri", "http://localhost:8765/callback?a=b"},
		"two clients":      {"state", "x&client_id=" + domaintest.ConfidentialClient},
	} {
		t.Run(name, func(t *testing.T) {
			address := strings.Replace(authorizationURL(server, others...), "x%26client_id%3D", "x&client_id=", 1)
			got := get(t, address)
			if got.status != http.StatusBadRequest || got.header.Get("Location") != "" ||
				!strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
				t.Errorf("%d %v", got.status, got.header)
			}
			if ecid := got.header.Get("X-ORACLE-DMS-ECID"); ecid == "" || !strings.Contains(got.text, ecid) {
				t.Errorf("the page does not show the ECID %q", ecid)
			}
		})
	}
}

func TestOtherAuthorizationErrorsRedirect(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	for _, test := range []struct{ want, name, value string }{
		{"unsupported_response_type", "response_type", "token"},
		{"unsupported_response_type", "response_type", ""},
		{"invalid_request", "code_challenge_method", "plain"},
		{"invalid_request", "code_challenge_method", ""},
		{"invalid_scope", "scope", ""},
		{"invalid_scope", "scope", "openid https://llm.example.com//chat"},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			got := get(t, authorizationURL(server, test.name, test.value))
			back, err := url.Parse(got.header.Get("Location"))
			if err != nil || got.status != http.StatusFound {
				t.Fatalf("%d %v", got.status, got.header)
			}
			if !strings.HasPrefix(back.String(), domaintest.DefaultRedirect+"?") {
				t.Errorf("back to %s", back)
			}
			query := back.Query()
			if query.Get("error") != test.want || query.Get("error_description") == "" ||
				query.Get("state") != "a state+/=" || query.Has("code") {
				t.Errorf("back with %v", query)
			}
		})
	}
}

func TestPersonSignsInOnThePage(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	page := get(t, authorizationURL(server))
	for _, part := range []string{"Sign in", domaintest.MobileClient, `name="username"`, `type="password"`,
		`value="allow"`, `value="deny"`, "prefers-color-scheme: dark"} {
		if !strings.Contains(page.text, part) {
			t.Errorf("the page has no %s", part)
		}
	}
	back := callback(t, server, authorizationURL(server))
	if back.Get("state") != "a state+/=" || back.Has("iss") {
		t.Errorf("back with %v", back)
	}
	if code := back.Get("code"); !strings.HasPrefix(code, "AQIDBA") || !strings.HasSuffix(code, "=") || !strings.Contains(code, "+") {
		t.Errorf("code %q", code)
	}
}

func TestAutoApproveNeedsNoPage(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	got := get(t, authorizationURL(server))
	back, err := url.Parse(got.header.Get("Location"))
	if err != nil || got.status != http.StatusFound {
		t.Fatalf("%d %v", got.status, got.header)
	}
	if got := redeem(t, server, back.Query().Get("code")); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestAllowFollowsAShortenedURL(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	short := httptest.NewServer(http.RedirectHandler(authorizationURL(server), http.StatusFound))
	defer short.Close()
	if back := callback(t, server, short.URL); back.Get("code") == "" {
		t.Errorf("back with %v", back)
	}
	for _, address := range []string{server.URL + "/oauth2/v1/userlogout", "http://127.0.0.1:1/", ":"} {
		if redirect, err := server.Allow(t.Context(), address); err == nil {
			t.Errorf("%s leads to %s", address, redirect)
		}
	}
}

func TestPersonMistypesThePassword(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	_, query, _ := strings.Cut(authorizationURL(server), "?")
	got := post(t, server.URL+"/ui/v1/signin", values("request", query, "decision", "allow",
		"username", domaintest.DefaultUser.Name, "password", "guess"))
	if got.status != http.StatusOK || !strings.Contains(got.text, "incorrect user name or password") ||
		!strings.Contains(got.text, domaintest.DefaultUser.Name) {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestPersonDenies(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	redirect, err := server.Deny(t.Context(), authorizationURL(server))
	if err != nil || !strings.Contains(redirect, "error=access_denied") || !strings.Contains(redirect, "state=a+state") {
		t.Errorf("%s %v", redirect, err)
	}
}

func TestSignInPageCannotBeTurnedElsewhere(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	_, query, _ := strings.Cut(authorizationURL(server, "redirect_uri", "http://evil.example/"), "?")
	got := post(t, server.URL+"/ui/v1/signin", values("request", query, "decision", "deny"))
	if got.status != http.StatusBadRequest || got.header.Get("Location") != "" {
		t.Errorf("%d %v", got.status, got.header)
	}
}

func TestStandInRemembersNobody(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	callback(t, server, authorizationURL(server))
	got := get(t, authorizationURL(server, "prompt", "none"))
	if !strings.Contains(got.header.Get("Location"), "error=login_required") {
		t.Errorf("%d %v", got.status, got.header)
	}
}

func TestAuthorizationCodes(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{Clients: []domaintest.Client{
		{ID: domaintest.MobileClient, RedirectURIs: []string{domaintest.DefaultRedirect, "http://localhost:1/other"}},
		{ID: domaintest.ConfidentialClient, Secret: domaintest.ConfidentialSecret},
	}})
	token := server.URL + "/oauth2/v1/token"
	code := func() string { return callback(t, server, authorizationURL(server)).Get("code") }
	exchange := func(code string) url.Values {
		return mobile("grant_type", "authorization_code", "code", code,
			"redirect_uri", domaintest.DefaultRedirect, "code_verifier", verifier)
	}
	invalid := func(t *testing.T, form url.Values) {
		t.Helper()
		wantError(t, post(t, token, form), http.StatusBadRequest, "invalid_grant")
	}

	t.Run("twice", func(t *testing.T) {
		used := code()
		if got := post(t, token, exchange(used)); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.text)
		}
		invalid(t, exchange(used))
	})
	t.Run("late", func(t *testing.T) {
		old := code()
		server.Clock.Advance(179 * time.Second)
		young := code()
		server.Clock.Advance(time.Second)
		invalid(t, exchange(old))
		if got := post(t, token, exchange(young)); got.status != http.StatusOK {
			t.Errorf("%d %s", got.status, got.text)
		}
	})
	t.Run("another redirect", func(t *testing.T) {
		invalid(t, with(exchange(code()), "redirect_uri", "http://localhost:1/other"))
	})
	t.Run("another verifier", func(t *testing.T) {
		invalid(t, with(exchange(code()), "code_verifier", verifier+"x"))
	})
	t.Run("no verifier", func(t *testing.T) {
		form := exchange(code())
		form.Del("code_verifier")
		invalid(t, form)
	})
	t.Run("a verifier without a challenge", func(t *testing.T) {
		invalid(t, exchange(callback(t, server, authorizationURL(server,
			"code_challenge", "", "code_challenge_method", "")).Get("code")))
	})
	t.Run("another client", func(t *testing.T) {
		invalid(t, with(exchange(code()), "client_id", domaintest.ConfidentialClient,
			"client_secret", domaintest.ConfidentialSecret))
	})
	t.Run("spoilt by a form that is not encoded", func(t *testing.T) {
		request := newRequest(t, http.MethodPost, token, "grant_type=authorization_code&client_id="+
			domaintest.MobileClient+"&code_verifier="+verifier+"&redirect_uri="+domaintest.DefaultRedirect+"&code="+code())
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		wantError(t, send(t, request), http.StatusBadRequest, "invalid_grant")
	})
}
