package domain

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// fuzzConfig is for a domain that answers what a fuzzer makes up.
var fuzzConfig = config.Config{
	DomainURL: "https://idcs.example", ClientID: "client", RedirectURIs: []string{"http://localhost:8888/callback"},
	Scope: "openid offline_access", AuthMethod: config.MobileApp,
}

// saysDomain is a domain that answers every request with one text.
func saysDomain(t testing.TB, status int, header, body string) *Domain {
	d, err := New(fuzzConfig, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.transport = way(func(req *http.Request) (*http.Response, error) {
		h := http.Header{}
		for _, name := range []string{"Date", "Retry-After", "X-Oracle-Dms-Ecid", "Content-Type"} {
			h.Set(name, header)
		}
		return &http.Response{StatusCode: 200 + status%400, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	})
	d.metadata.Store(&discovery.Metadata{Issuer: "i", Token: "https://idcs.example/t", Device: "https://idcs.example/d"})
	return d
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

// checkTokens fails the test if accepted tokens cannot be used.
func checkTokens(t *testing.T, tokens tokens.Tokens) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://x/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+tokens.Access.Reveal())
	if err := req.Write(io.Discard); err != nil || tokens.Access.Empty() || tokens.Type != "Bearer" {
		t.Errorf("%q: %v", tokens.Access.Reveal(), err)
	}
	if life := time.Until(tokens.ExpiresAt); life < 0 || life > 100*365*24*time.Hour {
		t.Errorf("lives for %v", life)
	}
	if strings.ContainsFunc(tokens.Subject, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("subject %q", tokens.Subject)
	}
}

func FuzzTokenAnswer(f *testing.F) {
	f.Add(0, "", `{"access_token":"eyJ4.e30.A","token_type":"Bearer","expires_in":3600,"refresh_token":"AQIDBA="}`)
	f.Add(200, "7", `{"error":"invalid_grant","error_description":"no \u001b[31m"}`)
	f.Add(0, "text/plain", "access_token=a&expires_in=1")
	f.Add(0, "", `{"tokenResponses":[{"access_token":"a"}]}`)
	f.Fuzz(func(t *testing.T, status int, header, body string) {
		d := saysDomain(t, max(0, status), header, body)
		old := tokens.Tokens{Refresh: secret.New("the-old-refresh-token"), Endpoints: tokens.Endpoints{Token: "https://idcs.example/t"}, Subject: "s"}
		tokens, outcome, err := d.Refresh(t.Context(), old)
		harmless(t, err, "the-old-refresh-token")
		if errors.Is(err, ErrInvalidGrant) && header != "application/x-www-form-urlencoded" {
			var object map[string]any
			clean := strings.Map(func(r rune) rune {
				if r < ' ' || r == '\ufeff' {
					return ' '
				}
				return r
			}, body)
			if wrong := json.Unmarshal([]byte(clean), &object); wrong != nil || object["error"] == nil {
				t.Errorf("%q ended the session", body)
			}
		}
		if err == nil {
			checkTokens(t, tokens)
		} else if !tokens.Empty() && tokens.Refresh.Empty() || outcome.RetryAfter < 0 {
			t.Errorf("%+v with %v", outcome, err)
		}
		if err == nil && tokens.Refresh.Empty() {
			t.Error("the refresh token is lost")
		}
	})
}

func FuzzDiscoveryAnswer(f *testing.F) {
	f.Add(0, `{"issuer":"https://identity.oraclecloud.com/","token_endpoint":"https://idcs.example:443/t"}`)
	f.Add(0, `{"openid-configuration":{"authorization_endpoint":"https://idcs.example/a"}}`)
	f.Add(204, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		d := saysDomain(t, max(0, status), "", body)
		d.metadata.Store(nil)
		m, err := d.Metadata(t.Context())
		harmless(t, err)
		if err != nil {
			return
		}
		for _, endpoint := range []string{m.Authorization, m.Token, m.Device, m.Revocation} {
			req, err := http.NewRequest(http.MethodPost, endpoint, nil)
			if err != nil || req.URL.Scheme != "https" || !strings.EqualFold(req.URL.Hostname(), "idcs.example") {
				t.Errorf("an endpoint at %q", endpoint)
			}
		}
	})
}

func FuzzDeviceAnswer(f *testing.F) {
	f.Add(0, `{"expires_in":300,"device_code":"d","user_code":"SDFGHJKL","verification_uri":"http://idcs.example/ui/v1/device"}`)
	f.Add(0, `{"device_code":"d","user_code":"X","verification_url":"https://x/ y","interval":99999999999,"expires_in":-1}`)
	f.Add(201, `{"error":"invalid_client"}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		synctest.Test(t, func(t *testing.T) {
			d := saysDomain(t, max(0, status), "", body)
			began := time.Now()
			r, err := d.NewDeviceRequest(t.Context())
			if err == nil {
				u, errURL := url.Parse(r.URL)
				if errURL != nil || u.Scheme != "https" && !network.Loopback(u.Hostname()) || strings.HasPrefix(r.URL, "-") ||
					strings.ContainsFunc(r.URL+r.UserCode, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(r.URL, " ") || r.UserCode == "" {
					t.Errorf("to be shown: %+v", r)
				}
				var tokens tokens.Tokens
				if tokens, err = d.AwaitDevice(t.Context(), r); err == nil {
					checkTokens(t, tokens)
				}
			}
			harmless(t, err)
			if wait := time.Since(began); wait > deviceLongest+time.Minute {
				t.Errorf("waited %v", wait)
			}
		})
	})
}

func FuzzClaims(f *testing.F) {
	f.Add(jwt(`{"iss":"i","aud":["i","client"],"azp":"client","exp":99999999999,"nonce":"n","sub":"s"}`))
	f.Add(jwt(`{"aud":"client","exp":1.5e9}`))
	f.Add("a.b.c")
	d := saysDomain(f, 0, "", "")
	f.Fuzz(func(t *testing.T, token string) {
		subject, err := d.checkIDToken(answer{ID: token}, "i", "n")
		harmless(t, err)
		c, notJWT := idtoken.Parse(token)
		if err == nil && (notJWT != nil || c.Issuer != "i" || c.Nonce != "n" || subject == "") {
			t.Errorf("taken: %+v", c)
		}
		idtoken.Describe(secret.New(token))
		if len([]rune(c.Person())) > 201 {
			t.Errorf("a name of %d bytes", len(c.Person()))
		}
	})
}

// fuzzRequest is an authorization request whose state a fuzzer can know.
func fuzzRequest(f *testing.F) *CodeRequest {
	r, err := saysDomain(f, 0, "", "").NewCodeRequest(f.Context(), fuzzConfig.RedirectURIs[0])
	if err != nil {
		f.Fatal(err)
	}
	r.state, r.nonce, r.verifier = "the-state-of-this-attempt", "the-nonce-of-this-attempt", "the-verifier-of-this-attempt"
	return r
}

func FuzzPasted(f *testing.F) {
	r := fuzzRequest(f)
	f.Add("http://localhost:8888/callback?code=AQ%3D&state=the-state-of-this-attempt")
	f.Add("?state=the-state-of-this-attempt&error=access_denied#")
	f.Add("AQIDBA+/=")
	f.Fuzz(func(t *testing.T, text string) {
		code, err := r.ParsePasted(text)
		if (err == nil) == (code == "") {
			t.Errorf("code %q, %v", code, err)
		}
		harmless(t, err, r.state, r.nonce, r.verifier)
		if err == nil && strings.Contains(text, "?") && !strings.Contains(text, "state=") && !strings.Contains(text, "%") {
			t.Errorf("%q was taken without a state", text)
		}
	})
}
