package endpoint

import (
	"net/http"
	"strings"
	"testing"
	"unicode"
)

func TestReason(t *testing.T) {
	for _, row := range []struct {
		name, contentType, challenge, body, reason string
		meaning, served                            Meaning // served: while other requests are answered
	}{
		{"OpenAI", "application/json", "", `{"error":{"message":"Invalid token."}}`, "Invalid token.", TokenRefused, TokenRefused},
		{"vLLM", "application/json", "", `{"error":"Unauthorized"}`, "Unauthorized", TokenRefused, Unclear},
		{"FastAPI", "application/json", "", `{"detail":"Token audience is wrong"}`, "Token audience is wrong", TokenRefused, TokenRefused},
		{"FastAPI, of a field", "application/json", "", `{"detail":[{"loc":["body"],"msg":"Field required"}]}`, "Field required", Unclear, OtherRefused},
		{"OCI", "application/json", "", `{"code":"NotAuthenticated","message":"Not authenticated"}`, "Not authenticated", TokenRefused, Unclear},
		{"OAuth", "application/json", "", `{"error":"invalid_token","error_description":"Expired."}`, "Expired.", TokenRefused, TokenRefused},
		{"Istio", "text/plain", "", "Jwt is expired", "Jwt is expired", TokenRefused, TokenRefused},
		{"nginx", "text/html", "", "<html><h1>401</h1></html>", "", TokenRefused, Unclear},
		{"HTML that calls itself nothing", "", "", "<!doctype html><h1>401</h1>", "", TokenRefused, Unclear},
		{"a challenge", "", `Bearer error="invalid_token", error_description="It was revoked"`, "", "It was revoked", TokenRefused, TokenRefused},
		{"a challenge for something else", "", `Bearer error="insufficient_scope"`, `{"error":"Model is disabled"}`, "Model is disabled", Unclear, OtherRefused},
		{"the model", "application/json", "", `{"type":"error","error":{"type":"authentication_error","message":"Model is disabled"}}`, "Model is disabled", Unclear, OtherRefused},
		{"a budget", "application/json", "", `{"error":{"message":"Budget has been exceeded! Current cost: 1.0","type":"budget_exceeded"}}`, "Budget has been exceeded! Current cost: 1.0", Unclear, OtherRefused},
		{"the budget of a key", "application/json", "", `{"error":{"message":"Authentication Error, ExceededTokenBudget: Current spend for token: 7.2e-05"}}`, "Authentication Error, ExceededTokenBudget: Current spend for token: 7.2e-05", Unclear, OtherRefused},
		{"a challenge without a reason", "", `Bearer realm="models"`, `{"error":"Unauthorized"}`, "Unauthorized", TokenRefused, Unclear},
		{"a challenge among others", "", `Negotiate, Basic realm="x", Bearer realm="y",error = invalid_token`, "", "", TokenRefused, TokenRefused},
		{"a challenge in other letters", "", `bearer Error="Invalid_Token", Error_Description="It was \"revoked\""`, "", `It was "revoked"`, TokenRefused, TokenRefused},
		{"a realm that looks like an error", "", `Bearer realm="error=\"invalid_token\""`, `{"error":"Model is disabled"}`, "Model is disabled", Unclear, OtherRefused},
		{"a byte order mark", "application/json", "", "\ufeff" + `{"error":"Unauthorized"}`, "Unauthorized", TokenRefused, Unclear},
		{"a stream", "text/event-stream", "", `data: {"error":{"message":"Invalid token."}}` + "\n\n", "Invalid token.", TokenRefused, TokenRefused},
		{"AWS", "application/json", "", `{"Message":"The incoming token has expired"}`, "The incoming token has expired", TokenRefused, TokenRefused},
		{"Okta", "application/json", "", `{"errorCode":"E0000011","errorSummary":"Invalid token provided"}`, "Invalid token provided", TokenRefused, TokenRefused},
		{"Apigee", "application/json", "", `{"fault":{"faultstring":"Access Token expired","detail":{"errorcode":"x"}}}`, "Access Token expired", TokenRefused, TokenRefused},
		{"keys of Envoy", "text/plain", "", "Jwks remote fetch is failed", "Jwks remote fetch is failed", Unclear, OtherRefused},
		{"a model of Kubernetes", "application/json", "", `{"kind":"Status","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`, "Unauthorized", TokenRefused, Unclear},
		{"nothing", "", "", "", "", TokenRefused, Unclear},
		{"a list", "application/json", "", `{"errors":[{"detail":"No such key"}]}`, "No such key", Unclear, OtherRefused},
		{"several lines, and what cannot be seen", "text/plain", "", "one\n\ttwo\u202e\u2060\x1b[2Jthree", "one two [2Jthree", Unclear, OtherRefused},
		{"a long one", "text/plain", "", strings.Repeat("x", 300), strings.Repeat("x", 200) + "…", Unclear, OtherRefused},
		{"JSON of no form", "application/json", "", `[[[[[["deep"]]]]]]`, "", TokenRefused, Unclear},
	} {
		header := http.Header{"Content-Type": {row.contentType}, "Www-Authenticate": {row.challenge}}
		if got := Reason(header, row.body); got != row.reason {
			t.Errorf("%s: %q, want %q", row.name, got, row.reason)
		}
		for served, meaning := range map[bool]Meaning{false: row.meaning, true: row.served} {
			if got := Means(header, row.body, served); got != meaning {
				t.Errorf("%s, served %v: means %v, want %v", row.name, served, got, meaning)
			}
		}
	}
}

// Whatever an endpoint sends, Reason returns one line of visible characters and bounded length.
func FuzzReason(f *testing.F) {
	for _, body := range []string{`{"error":{"message":"Invalid token."}}`, `{"detail":[{"msg":"x"}]}`, "Jwt is expired", "<html>", "\u202eabc\x1b[2J", `[[[["x"]]]]`, `"\ud800"`} {
		f.Add("text/plain", `Bearer error="invalid_token", error_description="It was revoked"`, body)
		f.Add("application/json", "", body)
	}
	f.Fuzz(func(t *testing.T, contentType, challenge, body string) {
		header := http.Header{"Content-Type": {contentType}, "Www-Authenticate": {challenge}}
		reason := Reason(header, body)
		if len([]rune(reason)) > maxReason+1 || strings.ContainsFunc(reason, func(r rune) bool { return !unicode.IsGraphic(r) || r != ' ' && unicode.IsSpace(r) }) {
			t.Errorf("%q", reason)
		}
		Means(header, body, false)
	})
}
