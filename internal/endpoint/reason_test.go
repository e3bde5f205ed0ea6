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
		{"vLLM behind Envoy, one word", "application/json", "", `{"error":"invalid_token"}`, "invalid_token", TokenRefused, TokenRefused},
		{"a code alone", "application/json", "", `{"error":{"code":"token_expired","type":"auth"}}`, "token_expired", TokenRefused, TokenRefused},
		{"a code in camel case", "application/json", "", `{"code":"ExpiredToken"}`, "ExpiredToken", TokenRefused, TokenRefused},
		{"Kong", "application/json", "", `{"exp":"token expired"}`, "token expired", TokenRefused, TokenRefused},
		{"Kong, of a key", "application/json", "", `{"message":"No credentials found for given 'iss'"}`, "No credentials found for given 'iss'", TokenRefused, TokenRefused},
		{"APISIX", "application/json", "", `{"error_msg":"failed to verify jwt"}`, "failed to verify jwt", TokenRefused, TokenRefused},
		{"WeChat", "application/json", "", `{"errcode":40001,"errmsg":"invalid credential"}`, "invalid credential", TokenRefused, TokenRefused},
		{"Rails", "application/json", "", `{"errors":{"token":["is expired"]}}`, "is expired", TokenRefused, TokenRefused},
		{"a token in camel case", "application/json", "", `{"accessToken":"AQIDBA="}`, "", TokenRefused, Unclear},
		{"a token, deep", "application/json", "", `{"data":[{"id_token":"AQIDBA="}]}`, "", TokenRefused, Unclear},
		{"tokens", "application/json", "", `{"tokenResponses":[{"refresh_token":"AQIDBA="}]}`, "", TokenRefused, Unclear},
		{"languages", "application/json", "", `{"message":{"en":"Token revoked"}}`, "Token revoked", TokenRefused, TokenRefused},
		{"Google, in a list", "application/json", "", `[{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}]`, "Request had invalid authentication credentials.", TokenRefused, TokenRefused},
		{"Google, deep", "application/json", "", `{"error":{"errors":[{"reason":"authError","message":"Invalid Credentials"}]}}`, "Invalid Credentials", TokenRefused, TokenRefused},
		{"Azure API Management", "application/json", "", `{"statusCode":401,"message":"Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired."}`, "Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired.", TokenRefused, TokenRefused},
		{"Azure, of a subscription", "application/json", "", `{"statusCode":401,"message":"Access denied due to invalid subscription key."}`, "Access denied due to invalid subscription key.", Unclear, OtherRefused},
		{"OCI, in full", "application/json", "", `{"code":"NotAuthenticated","message":"The required information to complete authentication was not provided or was incorrect."}`, "The required information to complete authentication was not provided or was incorrect.", TokenRefused, Unclear},
		{"Cloudflare", "application/json", "", `{"success":false,"errors":[{"code":9109,"message":"Invalid access token"}],"messages":[],"result":null}`, "Invalid access token", TokenRefused, TokenRefused},
		{"gRPC", "application/json", "", `{"code":16,"message":"Jwt is missing","details":[]}`, "Jwt is missing", TokenRefused, TokenRefused},
		{".NET", "application/problem+json", "", `{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.2","title":"Unauthorized","status":401,"traceId":"00-1"}`, "Unauthorized", TokenRefused, Unclear},
		{"JSend", "application/json", "", `{"status":"fail","data":{"message":"Token revoked"}}`, "Token revoked", TokenRefused, TokenRefused},
		{"a result", "application/json", "", `{"success":false,"result":{"msg":"Model is disabled"}}`, "Model is disabled", Unclear, OtherRefused},
		{"XML with CDATA", "application/xml", "", "<Error><Code>x</Code><Message><![CDATA[The token has expired]]></Message></Error>", "The token has expired", TokenRefused, TokenRefused},
		{"XML of AWS", "application/xml", "", "<?xml version=\"1.0\"?>\n<Error><Code>ExpiredToken</Code><Message>The provided token has expired &amp; more</Message></Error>", "The provided token has expired & more", TokenRefused, TokenRefused},
		{"SOAP", "text/xml", "", `<soap:Envelope xmlns:soap="x"><soap:Body><soap:Fault><faultcode>c</faultcode><faultstring>Invalid token</faultstring></soap:Fault></soap:Body></soap:Envelope>`, "Invalid token", TokenRefused, TokenRefused},
		{"WSO2", "application/xml", "", `<am:fault xmlns:am="x"><am:code>900901</am:code><am:message>Invalid Credentials</am:message><am:description>d</am:description></am:fault>`, "Invalid Credentials", TokenRefused, TokenRefused},
		{"HTML with a message", "text/html", "", "<html><message>x</message></html>", "", TokenRefused, Unclear},
		{"llama.cpp", "application/json", "", `{"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}`, "Invalid API Key", Unclear, OtherRefused},
		{"LiteLLM, of a model", "application/json", "", `{"error":{"message":"team not allowed to access model. This team can only access models=[a]","type":"team_model_access_denied"}}`, "team not allowed to access model. This team can only access models=[a]", Unclear, OtherRefused},
		{"a challenge with single quotes", "", "Bearer error='invalid_token', error_description='The token expired'", "", "The token expired", TokenRefused, TokenRefused},
		{"a challenge without a scheme", "", `error="invalid_token"`, "", "", TokenRefused, TokenRefused},
		{"a challenge without commas", "", `Bearer realm="x" error="invalid_token" error_description="It is over"`, "", "It is over", TokenRefused, TokenRefused},
		{"a challenge for DPoP beside", "", `DPoP algs="ES256", Bearer error="invalid_token"`, "", "", TokenRefused, TokenRefused},
		{"a challenge that says expired", "", `Bearer error="invalid_request", error_description="The access token expired"`, "", "The access token expired", TokenRefused, TokenRefused},
		{"a challenge for another sign-in", "", `Bearer error="insufficient_user_authentication", error_description="A different level is required", max_age="5"`, "", "A different level is required", Unclear, OtherRefused},
		{"an event of a stream", "text/event-stream", "", "event: error\ndata: {\"error\":{\"message\":\"Invalid token.\"}}\n\ndata: [DONE]\n\n", "Invalid token.", TokenRefused, TokenRefused},
		{"a text that calls itself JSON", "application/json", "", "Jwt is expired", "Jwt is expired", TokenRefused, TokenRefused},
		{"a text that calls itself bytes", "application/octet-stream", "", "Model is disabled\n", "Model is disabled", Unclear, OtherRefused},
		{"bytes", "application/octet-stream", "", "\xff\xfe\x00", "", TokenRefused, Unclear},
		{"a number", "text/plain", "", "401 Unauthorized", "401 Unauthorized", TokenRefused, Unclear},
		{"null", "application/json", "", "null", "", TokenRefused, Unclear},
		{"JSON that is cut off", "application/json", "", `{"error":{"message":"Model \"m\" is disabled for ` + strings.Repeat("x", 300), `Model "m" is disabled for ` + strings.Repeat("x", 174) + "…", Unclear, OtherRefused},
		{"JSON that is cut off in an escape", "application/json", "", `{"error":{"message":"Model is disabled\u00`, `Model is disabled\u00`, Unclear, OtherRefused},
		{"JSON that is cut off before its words", "application/json", "", `{"error":{"type":"x"`, "", TokenRefused, Unclear},
		{"another's JSON in a text", "application/json", "", `{"error":{"message":"{\"error\":{\"message\":\"Model is disabled\"}}"}}`, "Model is disabled", Unclear, OtherRefused},
		{"JSON, and more", "application/json", "", `{"error":"Model is disabled"}` + "\n<!-- proxy -->", "Model is disabled", Unclear, OtherRefused},
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
			if got := Means(http.StatusUnauthorized, header, row.body, served); got != meaning {
				t.Errorf("%s, served %v: means %v, want %v", row.name, served, got, meaning)
			}
		}
	}
}

// A bare code and words of refusal do not hide what other members say. A code that names the
// token stays in front of it.
func TestWordsBesideACode(t *testing.T) {
	const budget, audience = "Budget exceeded for team x", "Token audience is wrong"
	for _, row := range []struct {
		challenge, body, reason string
		meaning, served         Meaning
	}{
		{"", `{"error":"Unauthorized","reason":"` + budget + `"}`, budget, Unclear, OtherRefused},
		{"", `{"error":"unauthorized","error_message":"` + budget + `"}`, budget, Unclear, OtherRefused},
		{"", `{"error":"unauthorized","errorDescription":"` + budget + `"}`, budget, Unclear, OtherRefused},
		{"", `{"error":"unauthorized","Error_Msg":"` + budget + `"}`, budget, Unclear, OtherRefused},
		{"", `{"error":"access_denied","errorMessage":"` + budget + `"}`, budget, Unclear, OtherRefused},
		{"", `{"error":"E7","details":["` + budget + `"]}`, budget, Unclear, OtherRefused},
		{"", `{"error":"E7","hint":"` + budget + `"}`, budget, Unclear, OtherRefused},
		{"", `{"error":{"code":"E7","message":"Forbidden"},"detail":"` + budget + `"}`, budget, Unclear, OtherRefused},
		{"", `{"error":{"message":"401 Unauthorized\n","details":[{"reason":"E7"},{"reason":"` + budget + `"}]}}`, budget, Unclear, OtherRefused},
		{"", `{"message":"Access denied.","description":" ","error":"Forbidden","reason":"` + budget + `"}`, budget, Unclear, OtherRefused},
		{"", `{"message":"Authentication failed","errors":[{"code":"E7"},"` + budget + `"]}`, budget, Unclear, OtherRefused},
		{"", `{"message":"Unauthorized","detail":"` + audience + `"}`, audience, TokenRefused, TokenRefused},
		{"", `{"error":"Unauthorized","message":"Forbidden","reason":"` + budget, budget, Unclear, OtherRefused},
		{`Bearer error_description="` + budget + `"`, `{"error":"Unauthorized"}`, budget, Unclear, OtherRefused},
		{`Bearer error_description="Unauthorized"`, `{"error":"` + budget + `"}`, budget, Unclear, OtherRefused},
		{"", `{"error":"invalid_token","reason":"Sign in once more"}`, "invalid_token: Sign in once more", TokenRefused, TokenRefused},
		{"", `{"error":"invalid_token","reason":"` + budget + `"}`, "invalid_token: " + budget, Unclear, OtherRefused},
		{"", `{"message":"Unauthorized","error":"E7","reason":"Forbidden"}`, "Unauthorized", TokenRefused, Unclear},
		{"", `{"message":"Access denied","code":"E7"}`, "Access denied", Unclear, OtherRefused},
		{"", `{"error":"Unauthorized","data":{"accessToken":"AQIDBA="}}`, "Unauthorized", TokenRefused, Unclear},
	} {
		header := http.Header{"Content-Type": {"application/json"}, "Www-Authenticate": {row.challenge}}
		if got := Reason(header, row.body); got != row.reason {
			t.Errorf("%s %s: %q, want %q", row.challenge, row.body, got, row.reason)
		}
		for served, meaning := range map[bool]Meaning{false: row.meaning, true: row.served} {
			if got := Means(http.StatusUnauthorized, header, row.body, served); got != meaning {
				t.Errorf("%s %s, served %v: means %v, want %v", row.challenge, row.body, served, got, meaning)
			}
		}
	}
}

// A 403 costs a refresh only if it says that the token has ended.
func TestForbidden(t *testing.T) {
	for body, want := range map[string]Meaning{
		`{"message":"The incoming token has expired"}`:           TokenRefused, // API Gateway of AWS
		`{"error":"expired_token"}`:                              TokenRefused,
		`{"error":"expired_token","reason":"Sign in once more"}`: TokenRefused,
		"Jwt is expired": TokenRefused,
		`{"detail":"This access token was revoked."}`:                       TokenRefused,
		`{"message":"Missing Authentication Token"}`:                        OtherRefused, // also AWS, of a wrong path
		`{"error":"insufficient_scope"}`:                                    OtherRefused,
		`{"message":"Your subscription expired; this token has no budget"}`: OtherRefused,
		"RBAC: access denied":                                               OtherRefused,
		"":                                                                  OtherRefused,
		`{"error":"Unauthorized"}`:                                          OtherRefused,
	} {
		for _, served := range []bool{false, true} {
			if got := Means(http.StatusForbidden, http.Header{}, body, served); got != want {
				t.Errorf("%s, served %v: means %v, want %v", body, served, got, want)
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
		Means(http.StatusForbidden, header, body, false)
	})
}
