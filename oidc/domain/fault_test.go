package domain

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// TestErrorTextIsMadePrintable: a message quotes only the printable part of an error
// response.
func TestErrorTextIsMadePrintable(t *testing.T) {
	got := exchange.Said("x\x1b[31m", "line\nline eyJhbGciOiJSUzI1NiJ9.e30.AAAA "+strings.Repeat("y", 1000), "id")
	if strings.ContainsAny(got, "\x1b\n") || strings.Contains(got, "eyJ") || len(got) > 400 || !strings.Contains(got, "ECID id") {
		t.Errorf("%q", got)
	}
}

// An error response of any form is quoted. One in JSON comes from the domain itself and not
// from a proxy, so its problem is not retryable.
func TestErrorResponsesAreQuoted(t *testing.T) {
	const secretOfOurs = "the-secret-that-was-sent-4711"
	for name, row := range map[string]struct {
		status      int
		contentType string
		body        string
		says        []string
		kind        problem.Kind
		passes      bool
	}{
		"OAuth":                      {400, "application/json", `{"error":"invalid_scope","error_description":"no such scope"}`, []string{"does not know the scope", "no such scope"}, problem.Config, false},
		"OAuth, calling itself text": {400, "text/html", `{"error":"invalid_scope"}`, []string{"does not know the scope"}, problem.Config, false},
		"OAuth, throttled":           {429, "application/json", `{"error":"slow_down","error_description":"too many"}`, []string{"too often", "too many"}, problem.Throttled, true},
		"code and description":       {400, "application/json", `{"code":"invalid_request","description":"client is not allowed"}`, []string{"the domain refused", "invalid_request", "client is not allowed"}, problem.Domain, false},
		"an object":                  {400, "application/json", `{"error":{"code":"x7","message":"y is wrong"}}`, []string{"the domain refused", "x7", "y is wrong"}, problem.Domain, false},
		"SCIM":                       {401, "application/scim+json", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"Authorization failed","status":"401"}`, []string{"the domain refused", "Authorization failed"}, problem.Domain, false},
		"OCI":                        {404, "application/json", `{"code":"NotAuthorizedOrNotFound","message":"not found here"}`, []string{"NotAuthorizedOrNotFound", "not found here"}, problem.Domain, false},
		"OpenAI":                     {403, "application/json", `{"error":{"message":"You may not","type":"forbidden"}}`, []string{"You may not"}, problem.Domain, false},
		"FastAPI":                    {422, "application/json", `{"detail":[{"loc":["body"],"msg":"field required"}]}`, []string{"field required"}, problem.Domain, false},
		"a list":                     {400, "application/json", `["not like that"]`, []string{"the domain refused", "not like that"}, problem.Domain, false},
		"a text":                     {400, "application/json", `"not like that"`, []string{"the domain refused", "not like that"}, problem.Domain, false},
		"nothing said":               {400, "application/json", `{}`, []string{"the domain refused (status 400)"}, problem.Domain, false},
		"a number":                   {400, "application/json", `{"error":17}`, []string{"the domain refused (status 400)"}, problem.Domain, false},
		"an error of the server":     {503, "application/json", `{"message":"being restarted"}`, []string{"a fault of its own (status 503)", "being restarted"}, problem.Domain, true},
		"Envoy":                      {403, "text/plain", "RBAC: access denied", []string{"not an identity domain's (status 403, \"RBAC: access denied\")"}, problem.Domain, true},
		"Envoy in trouble":           {503, "text/plain", "no healthy upstream", []string{"a fault of its own (status 503)", "no healthy upstream"}, problem.Domain, true},
		"HTML":                       {403, "text/html", "<html>Blocked</html>", []string{"not an identity domain's (status 403)"}, problem.Domain, true},
		"HTML with an address":       {400, "text/html", `<a href="/login?at=1&error=invalid_grant&error_description=x">Sign in</a>`, []string{"not an identity domain's (status 400)"}, problem.Domain, true},
		"a text with an address":     {400, "text/plain", "Blocked: see http://portal.example/?at=1&error=invalid_grant&x=2", []string{"not an identity domain's (status 400"}, problem.Domain, true},
		"an address":                 {400, "text/plain", "http://portal.example/?at=1&error=invalid_grant&x=2", []string{"not an identity domain's (status 400"}, problem.Domain, true},
		"a form":                     {400, "application/x-www-form-urlencoded", "error=invalid_scope&error_description=no+such+scope", []string{"does not know the scope", "no such scope"}, problem.Config, false},
		"empty":                      {400, "", "", []string{"not an identity domain's (status 400, empty)"}, problem.Domain, true},
		"half an object":             {400, "application/json", `{"code":"inv`, []string{"not an identity domain's (status 400, JSON that is cut off or malformed"}, problem.Domain, true},
		"a list of one":              {400, "application/json", `{"error":["invalid_scope"]}`, []string{"does not know the scope"}, problem.Config, false},
		"in capitals":                {400, "application/json", `{"error":"INVALID_SCOPE "}`, []string{"does not know the scope"}, problem.Config, false},
		"OAuth in an object":         {400, "application/json", `{"error":{"error":"invalid_scope","error_description":"no such scope"}}`, []string{"does not know the scope", "no such scope"}, problem.Config, false},
		"another's code in capitals": {400, "application/json", `{"error":"E7_UNKNOWN"}`, []string{"the domain refused (E7_UNKNOWN)"}, problem.Domain, false},
		"Okta":                       {403, "application/json", `{"errorCode":"E0000011","errorSummary":"Invalid token provided"}`, []string{"E0000011", "Invalid token provided"}, problem.Domain, false},
		"Apigee":                     {401, "application/json", `{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"oauth.v2.x"}}}`, []string{"Invalid ApiKey"}, problem.Domain, false},
		"AWS":                        {403, "application/json", `{"Message":"User is not authorized"}`, []string{"User is not authorized"}, problem.Domain, false},
		"Spring":                     {415, "application/json", `{"status":415,"error":"Unsupported Media Type","message":"","path":"/t"}`, []string{"Unsupported Media Type"}, problem.Domain, false},
		"RFC 9457":                   {403, "application/problem+json", `{"type":"about:blank","title":"Forbidden","detail":"Not from this network"}`, []string{"Not from this network"}, problem.Domain, false},
		"a byte order mark":          {400, "application/json", "\xef\xbb\xbf" + `{"code":"x7","message":"y is wrong"}`, []string{"x7", "y is wrong"}, problem.Domain, false},
		"success, in words alone":    {200, "application/json", `{"status":"FAILED","message":"account is locked"}`, []string{"with success (status 200), but without a token", "account is locked"}, problem.Domain, true},
		"success, and an error":      {200, "application/json", `{"error":{"code":"x7","message":"y is wrong"}}`, []string{"without a token", "x7", "y is wrong"}, problem.Domain, true},
		"a sign-in page's network":   {511, "text/html", "<html>", []string{"not an identity domain's (status 511)"}, problem.Domain, true},
		"too early":                  {425, "text/plain", "Too Early", []string{"status 425", "Too Early"}, problem.Domain, true},
		"another server":             {404, "text/html", "<html>Not Found</html>", []string{"not an identity domain's (status 404)", "Check domain_url"}, problem.Domain, true},
		"another server's methods":   {405, "", "", []string{"not an identity domain's (status 405, empty)", "Check domain_url"}, problem.Domain, true},
		"guessed invalid_grant":      {400, "application/json", `{"error":{"code":"invalid_grant","message":"expired"}}`, []string{"the domain refused (status 400) (invalid_grant, \"expired\")", "Sign in again."}, problem.Domain, false},
		"success, a comma too many":  {200, "application/json", `{"scope":"openid",}`, []string{"(status 200, JSON that is cut off or malformed)"}, problem.Domain, true},
		"several resources":          {200, "application/json", `{"tokenResponses":[{"access_token":"a"},{"access_token":"b"}]}`, []string{"scope names several resources"}, problem.Config, false},
		"what was sent":              {400, "application/json", `{"code":"bad","description":"you sent ` + secretOfOurs + ` to us"}`, []string{"you sent [redacted] to us"}, problem.Domain, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", row.contentType)
				w.WriteHeader(row.status)
				_, _ = io.WriteString(w, row.body)
			}))
			defer server.Close()
			d := newDomain(t, config.Config{DomainURL: server.URL, ClientID: "client", RedirectURIs: []string{"http://localhost/"}})
			secret.Remember(secretOfOurs)
			endpoints := tokens.Endpoints{Token: server.URL + "/t", Revocation: server.URL + "/r"}
			_, _, err := d.Refresh(t.Context(), tokens.Tokens{Refresh: secret.New("AQIDBArefresh"), Endpoints: endpoints})
			p := problem.From(err)
			if p == nil || p.Kind != row.kind || p.Retryable != row.passes || p.Hint == "" {
				t.Fatalf("%+v", p)
			}
			for _, says := range row.says {
				if !strings.Contains(p.Message+p.Hint, says) {
					t.Errorf("%q does not say %q", p.Message, says)
				}
			}
			if strings.Contains(p.Message+p.Cause.Error(), secretOfOurs) {
				t.Error("the message quotes a secret")
			}
		})
	}
}

// A status of 401 is about the application if it has a challenge of the scheme in which the
// application's secret came (RFC 6749, 5.2), whatever the body is, and otherwise if the body says so.
func TestRefusedSecretIsToldByItsChallenge(t *testing.T) {
	for _, row := range []struct {
		status          int
		challenge, body string
		kind            problem.Kind
		says            string
	}{
		{401, `Basic realm="idcs"`, "", problem.Config, "does not accept the application (invalid_client)"},
		{401, "basic", "", problem.Config, "does not accept the application"},
		{401, `Basic realm="idcs"`, "<html><h1>401 Unauthorized</h1></html>", problem.Config, "does not accept the application"},
		{401, `Basic realm="idcs"`, `{"message":"wrong secret"}`, problem.Config, `(invalid_client, "wrong secret")`},
		{401, `Basic realm="idcs"`, `{"error":"invalid_scope"}`, problem.Config, "does not know the scope"},
		{401, `Basic realm="idcs"`, `{"error":"unauthorized_client"}`, problem.Config, "(unauthorized_client)"},
		{401, `Basic realm="idcs"`, `{"error":"invalid_grant"}`, problem.LoginRequired, "no longer accepts this session"},
		{401, `Basic realm="idcs"`, `{"error":{"code":"invalid_grant"}}`, problem.Domain, "the domain refused"},
		{401, "Negotiate", "", problem.Domain, "not an identity domain's (status 401, empty)"},
		{401, "", "", problem.Domain, "not an identity domain's (status 401, empty)"},
		{403, `Basic realm="idcs"`, "", problem.Domain, "not an identity domain's (status 403, empty)"},
	} {
		d := saysDomain(t, 0, "", "{}")
		d.UseTransport(way(func(req *http.Request) (*http.Response, error) {
			header := http.Header{}
			if row.challenge != "" {
				header.Set("WWW-Authenticate", row.challenge)
			}
			return &http.Response{StatusCode: row.status, Request: req, Body: io.NopCloser(strings.NewReader(row.body)), Header: header}, nil
		}))
		_, _, err := d.Refresh(t.Context(), tokens.Tokens{Refresh: secret.New("old"), Endpoints: tokens.Endpoints{Token: "https://idcs.example/t"}})
		if p := problem.From(err); p == nil || p.Kind != row.kind || !strings.Contains(p.Message, row.says) {
			t.Errorf("%d %s %q: %+v", row.status, row.challenge, row.body, p)
		}
	}
}

// The words beside an OAuth error code are quoted, whatever their member is called.
func TestWordsBesideAnErrorCode(t *testing.T) {
	for _, name := range []string{"error_description", "errorDescription", "error_message", "error_msg", "errorMessage", "message", "detail", "details", "reason", "hint"} {
		d := saysDomain(t, 201, "", `{"error":"invalid_client","`+name+`":"The secret has expired"}`)
		_, _, err := d.Refresh(t.Context(), tokens.Tokens{Refresh: secret.New("old"), Endpoints: tokens.Endpoints{Token: "https://idcs.example/t"}})
		if p := problem.From(err); p == nil || !strings.Contains(p.Message, `(invalid_client, "The secret has expired")`) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// A refresh that needs a person (OpenID Connect Core 1.0, 3.1.2.6) is helped by signing in, and
// does not end the session.
func TestRefreshThatNeedsAPerson(t *testing.T) {
	for _, code := range []string{"interaction_required", "login_required", "account_selection_required", "consent_required", "LOGIN_REQUIRED"} {
		d := saysDomain(t, 200, "", `{"error":"`+code+`","error_description":"A second factor is due"}`)
		_, _, err := d.Refresh(t.Context(), tokens.Tokens{Refresh: secret.New("old"), Endpoints: tokens.Endpoints{Token: "https://idcs.example/t"}})
		if p := problem.From(err); p == nil || p.Kind != problem.LoginRequired || !strings.HasPrefix(p.Hint, "Sign in again") || errors.Is(err, ErrInvalidGrant) ||
			!strings.Contains(p.Message, `(`+strings.ToLower(code)+`, "A second factor is due")`) {
			t.Errorf("%s: %+v", code, p)
		}
	}
}

// Only an OAuth error object, which is the whole answer, ends a session (RFC 6749, 5.2). What
// merely mentions invalid_grant does not: a page, a text, another product's JSON, half an object.
func TestOnlyAWholeErrorObjectEndsASession(t *testing.T) {
	const object, asJSON, asForm = `{"error":"invalid_grant","error_description":"expired"}`, "application/json", "application/x-www-form-urlencoded"
	for _, row := range []struct {
		contentType, body string
		ends              bool
	}{
		{asJSON, object, true},
		{"application/json; charset=utf-8", "\ufeff\r\n" + object + "\r\n", true},
		{"text/html", object, true},
		{"", `{"error":" INVALID_GRANT","other":[{}]}`, true},
		{asJSON, `{"error":["invalid_grant"]}`, true},
		{asJSON, "{\"error\":\"invalid_grant\",\"error_description\":\"line\nline\"}", true},
		{asForm, "error=invalid_grant&error_description=expired", true},

		{"text/plain", "error=invalid_grant&error_description=expired", false},
		{"", "error=invalid_grant", false},
		{"text/plain", "invalid_grant", false},
		{asJSON, `"invalid_grant"`, false},
		{asJSON, `["invalid_grant"]`, false},
		{asJSON, "[" + object + "]", false},
		{asJSON, `{"error":"invalid_grant","error_descr`, false},
		{asJSON, `{"error":"invalid_grant"`, false},
		{asJSON, object + object, false},
		{"text/html", object + "<script>", false},
		{"text/html", "<script>x = " + object + "</script>", false},
		{"text/javascript", "x = " + object, false},
		{"text/javascript", "callback(" + object + ")", false},
		{"text/plain", "The proxy was told: " + object, false},
		{"text/plain", "HTTP/1.1 400 Bad Request\r\n\r\n" + object, false},
		{"text/event-stream", "data: " + object, false},
		{"text/html", `<a href="/?error=invalid_grant">`, false},
		{"text/plain", "https://portal.example/?error=invalid_grant", false},
		{asForm, "https://portal.example/?at=1&error=invalid_grant", false},
		{asJSON, `{"error":{"error":"invalid_grant"}}`, false},
		{asJSON, `{"error":{"code":"invalid_grant"}}`, false},
		{asJSON, `{"error":["invalid_grant","invalid_scope"]}`, false},
		{asJSON, `{"code":"invalid_grant","message":"invalid_grant"}`, false},
		{asJSON, `{"error":"invalid_request","error_description":"invalid_grant"}`, false},
		{asJSON, `{"error":"invalid_grant: expired"}`, false},
		{asJSON, `{"Error":"invalid_grant"}`, false},
		{asJSON, `{"error":"invalid_grant","access_token":"a"`, false},
	} {
		for _, status := range []int{200, 400, 401, 403, 404, 407, 429, 500, 503, 511} {
			d, err := New(config.Config{DomainURL: "https://idcs.example", ClientID: "client", RedirectURIs: []string{"http://localhost/"}}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			d.UseTransport(way(func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Request: req, Body: io.NopCloser(strings.NewReader(row.body)), Header: http.Header{"Content-Type": {row.contentType}}}, nil
			}))
			_, _, err = d.Refresh(t.Context(), tokens.Tokens{Refresh: secret.New("AQIDBArefresh"), Endpoints: tokens.Endpoints{Token: "https://idcs.example/t"}})
			ends := row.ends && status < 500 && status != 407 && status != 429
			if errors.Is(err, ErrInvalidGrant) != ends || problem.Is(err, problem.LoginRequired) != ends {
				t.Errorf("%d %s %q: %+v", status, row.contentType, row.body, problem.From(err))
			}
		}
	}
}

// The problem of a redirect names the host that it leads to.
func TestProblemOfARedirectNamesItsHost(t *testing.T) {
	for location, says := range map[string]string{
		"https://login.example.com/t?code=1": "redirects (status 308) to login.example.com.",
		"/t/":                                "redirects (status 308) to another address of its own.",
		"//portal.example/":                  "redirects (status 308) to portal.example.",
		"https://u:p@portal.example/":        "redirects (status 308) to portal.example.",
		"https://\u202eportal.example/":      "redirects (status 308) to ",
		"":                                   "does not say where to",
		"http://[::1":                        "does not say where to",
		"mailto:ada@example.com":             "does not say where to",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(http.StatusPermanentRedirect)
		}))
		d := newDomain(t, config.Config{DomainURL: server.URL, ClientID: "client", RedirectURIs: []string{"http://localhost/"}})
		_, err := d.Metadata(t.Context())
		server.Close()
		if p := problem.From(err); p == nil || !strings.Contains(p.Message, says) || strings.ContainsAny(p.Message, "\u202e@") || p.Kind != problem.Domain || !p.Retryable {
			t.Errorf("%q: %+v", location, p)
		}
	}
}

// The Age of a cached answer is added to its Date, and is not taken for clock skew.
func TestAgeOfACachedAnswerIsNoClockSkew(t *testing.T) {
	at := func(ago time.Duration) string { return time.Now().Add(-ago).UTC().Format(http.TimeFormat) }
	for name, row := range map[string]struct {
		header http.Header
		skew   time.Duration
		ok     bool
	}{
		"fresh":                {http.Header{"Date": {at(0)}}, 0, true},
		"behind":               {http.Header{"Date": {at(3 * time.Hour)}}, -3 * time.Hour, true},
		"ahead":                {http.Header{"Date": {at(-time.Hour)}}, time.Hour, true},
		"kept for three hours": {http.Header{"Date": {at(3 * time.Hour)}, "Age": {"10800"}}, 0, true},
		"kept, and behind":     {http.Header{"Date": {at(4 * time.Hour)}, "Age": {"10800"}}, -time.Hour, true},
		"just kept":            {http.Header{"Date": {at(0)}, "Age": {" 0 "}}, 0, true},
		"an age that is none":  {http.Header{"Date": {at(3 * time.Hour)}, "Age": {"old"}}, 0, false},
		"an absurd age":        {http.Header{"Date": {at(3 * time.Hour)}, "Age": {"1e300"}}, 0, false},
		"a negative age":       {http.Header{"Date": {at(3 * time.Hour)}, "Age": {"-10800"}}, 0, false},
		"no date":              {http.Header{"Age": {"10800"}}, 0, false},
		"a date that is none":  {http.Header{"Date": {"yesterday"}}, 0, false},
		"a year apart":         {http.Header{"Date": {at(365 * 24 * time.Hour)}}, -365 * 24 * time.Hour, true},
		"no clock: 1970":       {http.Header{"Date": {"Thu, 01 Jan 1970 00:00:00 GMT"}}, 0, false},
		"no clock: 9999":       {http.Header{"Date": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, 0, false},
	} {
		x := &exchange.Exchange{Header: row.header}
		if skew, ok := x.ClockSkew(); ok != row.ok || (skew-row.skew).Abs() > 2*time.Minute {
			t.Errorf("%s: %s, %v, want %s, %v", name, skew, ok, row.skew, row.ok)
		}
	}
}

// A GET asks caches for a new answer, and its Date, which may be an old one all the same, does
// not replace that of a POST.
func TestDateOfAPostBeatsThatOfAGet(t *testing.T) {
	d := newDomain(t, config.Config{DomainURL: "https://idcs.example", ClientID: "client"})
	d.UseTransport(way(func(req *http.Request) (*http.Response, error) {
		date := time.Now()
		if req.Method == http.MethodGet {
			date = date.Add(-3 * time.Hour)
			if req.Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s is asked for without Cache-Control: no-cache", req.URL)
			}
		}
		return &http.Response{StatusCode: http.StatusNotFound, Request: req, Body: http.NoBody, Header: http.Header{"Date": {date.UTC().Format(http.TimeFormat)}}}, nil
	}))
	for i, apart := range []time.Duration{-3 * time.Hour, 0, 0, 0} {
		if i%2 == 0 {
			d.get(t.Context(), "https://idcs.example/d")
		} else {
			d.post(t.Context(), "https://idcs.example/t", nil, nil)
		}
		if skew := d.ClockSkew(); (skew - apart).Abs() > time.Minute {
			t.Errorf("after %d requests the clocks are %s apart, want %s", i+1, skew, apart)
		}
	}
}

// Retry-After is a number of seconds, also one that is no whole number, or a date.
func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"5": 5 * time.Second, " 5 ": 5 * time.Second, "1.5": 2 * time.Second, "1e9": 24 * time.Hour, "99999999999999999999": 24 * time.Hour,
		"0": 0, "-5": 0, "NaN": 0, "Inf": 24 * time.Hour, "soon": 0, "": 0, "5, 10": 0,
		"Wed, 21 Oct 2015 07:28:00 GMT": 0, "Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour,
	} {
		x := &exchange.Exchange{Header: http.Header{"Retry-After": {value}}}
		if got := x.RetryAfter(); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

// slowly is a body that takes half a minute.
type slowly struct{ io.Reader }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(25 * time.Second)
	return s.Reader.Read(p)
}

// A slow answer is not taken for clock skew.
func TestSlowAnswerIsNoClockSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDomain(t, config.Config{DomainURL: "https://idcs.example", ClientID: "client"})
		d.UseTransport(way(func(req *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Request: req, Body: io.NopCloser(slowly{strings.NewReader("{}")}),
				Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}}}, nil
		}))
		if _, err := d.Metadata(t.Context()); err != nil {
			t.Fatal(err)
		}
		if skew := d.ClockSkew(); skew != 0 {
			t.Errorf("the clocks are %s apart", skew)
		}
	})
}
