package domaintest_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"go.uber.org/goleak"
)

// allScopes is what a client asks for to get every kind of token.
const allScopes = "openid offline_access " + domaintest.DefaultScope

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	text   string
	json   map[string]any // nil if the text is no JSON object
}

// str returns a string field of the answer's JSON, "" if there is none.
func (r reply) str(name string) string {
	text, _ := r.json[name].(string)
	return text
}

// send sends the request as it is: no redirect is followed.
func send(t *testing.T, request *http.Request) reply {
	t.Helper()
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := reply{status: answer.StatusCode, header: answer.Header, text: string(text)}
	_ = json.Unmarshal(text, &got.json)
	return got
}

func newRequest(t *testing.T, method, address, body string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func get(t *testing.T, address string) reply {
	t.Helper()
	return send(t, newRequest(t, http.MethodGet, address, ""))
}

func formRequest(t *testing.T, address string, form url.Values) *http.Request {
	t.Helper()
	request := newRequest(t, http.MethodPost, address, form.Encode())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return request
}

func post(t *testing.T, address string, form url.Values) reply {
	t.Helper()
	return send(t, formRequest(t, address, form))
}

// values makes a form of names and values by turns.
func values(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// with returns form with some more values.
func with(form url.Values, pairs ...string) url.Values {
	for name, value := range values(pairs...) {
		form[name] = value
	}
	return form
}

// mobile returns a token request of the public client.
func mobile(pairs ...string) url.Values {
	return with(values(pairs...), "client_id", domaintest.MobileClient)
}

// confidential returns a token request of the confidential client.
func confidential(pairs ...string) url.Values {
	return with(values(pairs...), "client_id", domaintest.ConfidentialClient,
		"client_secret", domaintest.ConfidentialSecret)
}

const verifier = "a-verifier-of-at-least-forty-three-characters"

// authorizationURL returns an authorization request of the public client, with
// other values for some parameters; an empty one takes the parameter away.
func authorizationURL(server *domaintest.Server, others ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	query := mobile("response_type", "code", "redirect_uri", domaintest.DefaultRedirect, "scope", allScopes,
		"state", "a state+/=", "nonce", "a nonce", "code_challenge_method", "S256",
		"code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	for name, value := range values(others...) {
		query[name] = value
		if value[0] == "" {
			query.Del(name)
		}
	}
	return server.URL + "/oauth2/v1/authorize?" + query.Encode()
}

// callback lets a person allow the authorization request and returns what the
// client gets back.
func callback(t *testing.T, server *domaintest.Server, address string) url.Values {
	t.Helper()
	redirect, err := server.Allow(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

// redeem exchanges a code of the public client.
func redeem(t *testing.T, server *domaintest.Server, code string) reply {
	t.Helper()
	return post(t, server.URL+"/oauth2/v1/token", mobile("grant_type", "authorization_code", "code", code,
		"redirect_uri", domaintest.DefaultRedirect, "code_verifier", verifier))
}

// signIn signs the public client in and returns the whole token answer.
func signIn(t *testing.T, server *domaintest.Server, scope string) reply {
	t.Helper()
	got := redeem(t, server, callback(t, server, authorizationURL(server, "scope", scope)).Get("code"))
	if got.status != http.StatusOK {
		t.Fatalf("sign-in: %d %s", got.status, got.text)
	}
	return got
}

// refresh sends a refresh of the public client.
func refresh(t *testing.T, server *domaintest.Server, token string) reply {
	t.Helper()
	return post(t, server.URL+"/oauth2/v1/token", mobile("grant_type", "refresh_token", "refresh_token", token))
}

// wantError fails the test unless the answer is that error in the shape of OAuth.
func wantError(t *testing.T, got reply, status int, code string) {
	t.Helper()
	if got.status != status || got.str("error") != code || got.str("error_description") == "" {
		t.Errorf("got %d %s, want %d %s", got.status, got.text, status, code)
	}
}

// parts returns the decoded header and claims of a token.
func parts(t *testing.T, token string) (header, claims map[string]any) {
	t.Helper()
	sections := strings.Split(token, ".")
	if len(sections) != 3 {
		t.Fatalf("%q is no signed token", token)
	}
	for i, target := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(sections[i])
		if err == nil {
			err = json.Unmarshal(text, target)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

// publishedKey returns the key that the domain publishes.
func publishedKey(t *testing.T, server *domaintest.Server) *rsa.PublicKey {
	t.Helper()
	var set struct {
		Keys []struct{ Kty, Kid, Alg, N, E string }
	}
	got := get(t, server.URL+"/admin/v1/SigningCert/jwk")
	if err := json.Unmarshal([]byte(got.text), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	key := set.Keys[0]
	if key.Kty != "RSA" || key.Kid != "SIGNING_KEY" || key.Alg != "RS256" {
		t.Errorf("key %+v", key)
	}
	n, _ := base64.RawURLEncoding.DecodeString(key.N)
	e, _ := base64.RawURLEncoding.DecodeString(key.E)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
}

// signedBy reports whether key has signed the token.
func signedBy(token string, key *rsa.PublicKey) bool {
	end := strings.LastIndexByte(token, '.')
	signature, _ := base64.RawURLEncoding.DecodeString(token[end+1:])
	digest := sha256.Sum256([]byte(token[:end]))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
}

// chatRequest returns a chat request that bears the token.
func chatRequest(t *testing.T, server *domaintest.Server, token, body string) *http.Request {
	t.Helper()
	request := newRequest(t, http.MethodPost, server.LLMBaseURL+"/chat/completions", body)
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	return request
}

// ask asks the endpoint whether it takes the token.
func ask(t *testing.T, server *domaintest.Server, token string) reply {
	t.Helper()
	return send(t, chatRequest(t, server, token, `{"messages":[{"role":"user","content":"hi"}]}`))
}

// issue returns tokens of the public client.
func issue(t *testing.T, server *domaintest.Server, scope string) domaintest.Tokens {
	t.Helper()
	tokens, err := server.Issue(domaintest.MobileClient, scope)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// same reports whether a and b are the same JSON.
func same(a, b any) bool {
	textA, _ := json.Marshal(a)
	textB, _ := json.Marshal(b)
	return bytes.Equal(textA, textB)
}
