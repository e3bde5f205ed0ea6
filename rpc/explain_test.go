package rpc

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// explain calls the method explain and returns its result.
func (p *peer) explain(params map[string]any) explainResult {
	p.t.Helper()
	text, err := json.Marshal(params)
	if err != nil {
		p.t.Fatal(err)
	}
	m := p.call("explain", string(text), nil)
	text, _ = json.Marshal(m.Result)
	var result explainResult
	if err := json.Unmarshal(text, &result); err != nil || m.Error != nil {
		p.t.Fatalf("%v: %+v", err, m)
	}
	return result
}

func TestExplainAnswers(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	p := converse(t, configured(t, server))
	p.signInAtOnce()
	token, _ := p.call("getToken", "", nil).Result["accessToken"].(string)
	for _, row := range []struct {
		name    string
		params  map[string]any
		problem string // in its text; "" for an answer
		status  int
		body    string
	}{
		{"an error of the endpoint is passed on", map[string]any{"status": 500, "body": "a fault"}, "", 500, "a fault"},
		{"a status that there is none", map[string]any{"status": 999}, "", 599, ""},
		{"the token is taken out", map[string]any{"status": 400, "body": "you sent " + token + "!"}, "", 400, "[redacted]"},
		{"and its beginning, where the body is cut", map[string]any{"status": 400, "body": "you sent " + token[:200]}, "", 400, "[redacted]"},
		{"what moves a terminal", map[string]any{"status": 400, "body": "a\x1b[2Jb\u202ec\\u001bd\\\\u001be\u2060"}, "", 400, "a [2Jb c d\\\\u001be "},
		{"a redirect", map[string]any{"status": 307, "headers": map[string]string{"location": "https://login.example/x"}}, "redirects to https://login.example;", 0, ""},
		{"a scope that is too small", map[string]any{"status": 403, "headers": map[string]string{"www-authenticate": `Bearer error="insufficient_scope", scope="llm.use"`}}, "It wants the scope llm.use", 0, ""},
		{"a redirect that says nothing", map[string]any{"status": 0}, "redirects;", 0, ""},
		{"a proxy", map[string]any{"status": 407}, "wants a user name and password", 0, ""},
		{"another origin", map[string]any{"address": "https://other.example"}, "goes to https://other.example, but llm_base_url", 0, ""},
		{"no model is known", map[string]any{"status": 404, "request": `{"model":"sign-in-first","messages":[`}, "no models of", 0, ""},
		{"a certificate", map[string]any{"code": "UNABLE_TO_VERIFY_LEAF_SIGNATURE"}, "was not accepted (UNABLE_TO_VERIFY_LEAF_SIGNATURE)", 0, ""},
		{"a proxy that is none", map[string]any{"code": "UnsupportedProxyProtocol"}, "cannot use the proxy", 0, ""},
		{"what may pass", map[string]any{"code": "ECONNREFUSED"}, "", 0, ""},
		{"no code at all", map[string]any{"code": ""}, "", 0, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := p.explain(row.params)
			if row.problem != "" {
				if got.Problem == nil || !strings.Contains(got.Problem.Message, row.problem) || got.Problem.Hint == "" || got.Problem.Brief == "" {
					t.Fatalf("%+v", got.Problem)
				}
				// OpenCode may have shown only the fixed sentence, which refers to the status.
				status, _ := p.call("status", "", nil).Result["lastFailure"].(map[string]any)
				if status["message"] != got.Problem.Message || status["hint"] != got.Problem.Hint {
					t.Errorf("the status tells %v", status)
				}
				table, _ := p.call("tool", `{"name":"oci_oidc_status"}`, nil).Result["output"].(string)
				for line := range strings.Lines(got.Problem.Message + "\n" + got.Problem.Hint) {
					if !strings.Contains(table, strings.TrimSpace(line)) {
						t.Errorf("%q is not in\n%s", line, table)
					}
				}
				return
			}
			if got.Problem != nil || got.Status != row.status || !strings.Contains(got.Body, row.body) || strings.Contains(got.Body, token[100:180]) {
				t.Errorf("%+v, %+v", got, got.Problem)
			}
		})
	}
}

// A refused token is replaced if that may help; otherwise the endpoint's own text is shown,
// and the session continues.
func TestExplainRefusals(t *testing.T) {
	const invalid = `Bearer error="invalid_token"`
	for _, row := range []struct {
		name, challenge, body string
		status                int
		refreshable           bool
		renewed               bool
		problem               string // otherwise
		repeated              string // the problem when the renewed one is refused, too
	}{
		{"revoked", invalid, "", 401, true, true, "", "a renewed one as well (401)"},
		{"revoked, of a 403", invalid, "", 403, true, true, "", "(403)"},
		{"expired, of a 403", "", `{"message":"The incoming token has expired"}`, 403, true, true, "", "says: The incoming token has expired"},
		{"unauthorized", "", `{"error":"Unauthorized"}`, 401, true, true, "", "says: Unauthorized"},
		{"the model", "", `{"type":"error","error":{"message":"Model is disabled"}}`, 401, true, true, "", "It says: Model is disabled"},
		{"revoked, and no refresh token", invalid, "", 401, false, false, "there is no refresh token", ""},
		{"expired, and no refresh token", "", `{"message":"Jwt is expired"}`, 401, false, false, "says: Jwt is expired", ""},
		{"another audience, and no refresh token", "", `{"detail":"Invalid audience: expected https://llm"}`, 401, false, false, "says: Invalid audience: expected https://llm", ""},
		{"the model, and no refresh token", "", `{"type":"error","error":{"message":"Model is disabled"}}`, 401, false, false, "It says: Model is disabled", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := domaintest.New(t, domaintest.Options{AutoApprove: true})
			places := configured(t, server)
			if !row.refreshable {
				withoutRefreshToken(t, places)
			}
			p := converse(t, places)
			p.signInAtOnce()
			token, _ := p.call("getToken", "", nil).Result["accessToken"].(string)
			refused := map[string]any{
				"status": row.status, "body": row.body, "fingerprint": secret.New(token).Fingerprint(),
				"headers": map[string]string{"www-authenticate": row.challenge},
			}
			got := p.explain(refused)
			if row.renewed {
				var renewed struct{ AccessToken, BaseURL string }
				if err := json.Unmarshal(got.Token, &renewed); err != nil || renewed.AccessToken == token || renewed.BaseURL != server.LLMBaseURL {
					t.Fatalf("%v: %+v, %+v", err, got, got.Problem)
				}
				refused["repeated"], refused["fingerprint"] = true, secret.New(renewed.AccessToken).Fingerprint()
				if got := p.explain(refused); got.Problem == nil || !strings.Contains(got.Problem.Message, row.repeated) || got.Token != nil {
					t.Errorf("repeated: %+v, %+v", got, got.Problem)
				}
				// The next refusal within a minute says the same again.
				delete(refused, "repeated")
				if got := p.explain(refused); row.body != "" && (got.Problem == nil || !strings.Contains(got.Problem.Message, row.repeated)) {
					t.Errorf("the second time: %+v, %+v", got, got.Problem)
				}
			} else if got.Problem == nil || !strings.Contains(got.Problem.Message, row.problem) {
				t.Fatalf("%+v, %+v", got, got.Problem)
			}
			aboutToken := !strings.Contains(row.body, "Model")
			if m := p.call("status", "", nil); m.Result["signedIn"] != (row.refreshable || !aboutToken) {
				t.Errorf("status: %v", m.Result["text"])
			}
		})
	}
}

// withoutRefreshToken changes the scope so that the next sign-in gets no refresh token.
func withoutRefreshToken(t *testing.T, places store.Places) {
	t.Helper()
	path := filepath.Join(places.ConfigDirs[0], config.Name)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(text), "openid offline_access", "openid", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// One model is refused while others answer with the same token. The endpoint's text is shown
// each time, at most one refresh is tried, and the token is lent as before.
func TestRefusedModelEndsNoSession(t *testing.T) {
	for _, row := range []struct {
		name, challenge, body string
		says                  string
		served                bool // with the same token, by another model
	}{
		{"disabled", "", `{"type":"error","error":{"message":"Model is disabled"}}`, "It says: Model is disabled", true},
		{"disabled, and no other was asked", "", `{"type":"error","error":{"message":"Model is disabled"}}`, "It says: Model is disabled", false},
		{"over budget", "", `{"error":{"message":"Budget has been exceeded! Current cost: 1.0, Max budget: 0.5","type":"budget_exceeded"}}`, "It says: Budget has been exceeded!", true},
		{"over the key's budget", "", `{"error":{"message":"Authentication Error, ExceededTokenBudget: Current spend for token: 7.2e-05"}}`, "ExceededTokenBudget", false},
		{"words of no meaning", "", `{"detail":"No such key"}`, "It says: No such key", false},
		{"unauthorized", "", `{"error":"Unauthorized"}`, "It says: Unauthorized", true},
		{"unauthorized, with a challenge", `Bearer realm="models"`, `{"error":"Unauthorized"}`, "It says: Unauthorized", true},
		{"no words", "", "", "refused the request", true},
	} {
		for _, refreshable := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, refreshable %v", row.name, refreshable), func(t *testing.T) {
				server := domaintest.New(t, domaintest.Options{AutoApprove: true})
				places := configured(t, server)
				if !refreshable {
					withoutRefreshToken(t, places)
				}
				p := converse(t, places)
				p.signInAtOnce()
				before := server.Count(domaintest.Token)
				for range 3 {
					lent := p.call("getToken", "", nil)
					token, _ := lent.Result["accessToken"].(string)
					if token == "" || lent.Result["useUntil"] == nil {
						t.Fatalf("not lent: %+v", lent.Error)
					}
					refused := map[string]any{
						"status": 401, "body": row.body, "fingerprint": secret.New(token).Fingerprint(),
						"headers": map[string]string{"www-authenticate": row.challenge},
					}
					if row.served {
						refused["served"] = 1000
					}
					got := p.explain(refused)
					if got.Token != nil {
						var renewed struct{ AccessToken string }
						if err := json.Unmarshal(got.Token, &renewed); err != nil || renewed.AccessToken == token {
							t.Fatalf("%v: %s", err, got.Token)
						}
						refused["repeated"], refused["fingerprint"] = true, secret.New(renewed.AccessToken).Fingerprint()
						got = p.explain(refused)
					}
					if got.Problem == nil || !strings.Contains(got.Problem.Message, row.says) {
						t.Fatalf("%+v", got.Problem)
					}
					text := got.Problem.Message + got.Problem.Hint
					if strings.Contains(text, "/connect") || strings.Contains(text, "not signed in") || strings.Contains(text, "scope") {
						t.Errorf("%s", text)
					}
					if m := p.call("status", "", nil); m.Result["signedIn"] != true {
						t.Errorf("status: %v", m.Result["text"])
					}
				}
				if n := server.Count(domaintest.Token) - before; n > 1 || n > 0 && !refreshable {
					t.Errorf("%d refreshes", n)
				}
			})
		}
	}
}

// A token that the endpoint accepts does not count as rejected, although the endpoint refused
// it before without a reason.
func TestAcceptedTokenIsNotRejected(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	places := configured(t, server)
	withoutRefreshToken(t, places)
	p := converse(t, places)
	p.signInAtOnce()
	token, _ := p.call("getToken", "", nil).Result["accessToken"].(string)
	for _, step := range []struct {
		name     string
		served   any // milliseconds ago
		body     string
		signedIn bool
	}{
		{"nothing else is known", nil, `{"error":"Unauthorized"}`, false},
		{"what was served was before", 59_000, `{"error":"Unauthorized"}`, false},
		{"another model answers", 0, `{"error":"Unauthorized"}`, true},
		{"too long ago", 61_000, `{"error":"Unauthorized"}`, false},
		{"another model answers again", 0, "", true},
		{"the token has ended since", 0, "Jwt is expired", false},
	} {
		got := p.explain(map[string]any{"status": 401, "body": step.body, "fingerprint": secret.New(token).Fingerprint(), "served": step.served})
		if got.Problem == nil || strings.Contains(got.Problem.Message, "no refresh token") == step.signedIn {
			t.Errorf("%s: %+v", step.name, got.Problem)
		}
		if m := p.call("status", "", nil); m.Result["signedIn"] != step.signedIn {
			t.Errorf("%s: %v", step.name, m.Result["text"])
		}
		if lent := p.call("getToken", "", nil); (lent.Result["useUntil"] != nil) != step.signedIn {
			t.Errorf("%s: lent: %v", step.name, lent.Result["useUntil"])
		}
	}
}

// Before a token is given out, the helper checks what the environment of OpenCode (proxies,
// certificates) would do to a request.
func TestEnvironmentIsCheckedBeforeATokenIsGiven(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	places := configured(t, server)
	p := converse(t, places)
	p.signInAtOnce()
	p.hangUp()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(places.ConfigDirs[0], config.Name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, runtime, endpoint, more string
		environ                       map[string]string
		says                          string // the problem; "" for a token
		tls                           bool
	}{
		{"plain", opencode.Bun, server.LLMBaseURL, "", nil, "", false},
		{"a proxy that would see it", opencode.Bun, server.LLMBaseURL, "", map[string]string{"HTTP_PROXY": "http://proxy.example"}, "through the proxy in the clear", false},
		{"Node uses no proxy", opencode.Node, server.LLMBaseURL, "", map[string]string{"HTTP_PROXY": "http://proxy.example"}, "", false},
		{"an exception", opencode.Bun, server.LLMBaseURL, "", map[string]string{"HTTP_PROXY": "http://proxy.example", "NO_PROXY": "x, 127.0.0.1"}, "", false},
		{"unchecked, in Node", opencode.Node, "https://llm.example.com/v1", "", map[string]string{"NODE_TLS_REJECT_UNAUTHORIZED": "0"}, "NODE_TLS_REJECT_UNAUTHORIZED is set", false},
		{"unchecked, in Bun", opencode.Bun, "https://llm.example.com/v1", "", map[string]string{"NODE_TLS_REJECT_UNAUTHORIZED": "0"}, "", true},
		{"a CA that is none", opencode.Bun, "https://llm.example.com/v1", fmt.Sprintf(`,"ca_file":%q`, ca), nil, "holds no certificate", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			// On Windows both spellings are one variable, so the one with a value comes last.
			for _, name := range []string{"http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "NODE_TLS_REJECT_UNAUTHORIZED"} {
				t.Setenv(name, row.environ[name])
			}
			changed := strings.Replace(string(text), server.LLMBaseURL, row.endpoint, 1)
			changed = strings.TrimSuffix(strings.TrimSpace(changed), "}") + row.more + "}"
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			p := converse(t, places)
			p.call("initialize", fmt.Sprintf(`{"protocol":1,"client":{"runtime":%q}}`, row.runtime), nil)
			for range 2 { // the second time by the fast way
				m := p.call("getToken", "", nil)
				if row.says != "" && (m.Error == nil || !strings.Contains(m.Error.Message, row.says)) || row.says == "" && m.Error != nil {
					t.Errorf("%+v", m.Error)
				}
				if _, tls := m.Result["tls"]; tls != row.tls {
					t.Errorf("tls: %v", m.Result["tls"])
				}
			}
		})
	}
}

// A shim of another version gets an error that names both versions, and no other answer.
func TestShimOfAnotherVersion(t *testing.T) {
	for client, fits := range map[string]bool{
		`{"protocol":1,"client":{"name":"shim","version":"1.2.3"}}`:      true,
		`{"protocol":1,"client":{"name":"shim","version":"1.2.4"}}`:      false,
		`{"protocol":1,"client":{"name":"shim","version":"1.2.4-dev"}}`:  true,
		`{"protocol":7,"client":{"name":"shim","version":"0.0.0-dev"}}`:  false,
		`{"protocol":1,"client":{"name":"shim","version":"1.2.3-rc.1"}}`: false,
	} {
		p := converse(t, emptyPlaces(t))
		m := p.call("initialize", client, nil)
		if (m.Error == nil) != fits || !fits && !strings.Contains(m.Error.Message, "oci-oidc-helper 1.2.3 does not fit shim") {
			t.Errorf("%s: %+v", client, m.Error)
		}
		if m := p.call("status", "", nil); (m.Error == nil) != fits {
			t.Errorf("%s: status: %+v", client, m.Error)
		}
	}
}
