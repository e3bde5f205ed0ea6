package domaintest_test

import (
	"crypto"
	cryptorand "crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestTokenDeviceAndRevokeTakeFormPostsOnly(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	for _, path := range []string{"/oauth2/v1/token", "/oauth2/v1/device", "/oauth2/v1/revoke"} {
		t.Run(path, func(t *testing.T) {
			got := get(t, server.URL+path+"?grant_type=client_credentials")
			wantError(t, got, http.StatusMethodNotAllowed, "invalid_request")
			if got.header.Get("Allow") != http.MethodPost {
				t.Errorf("Allow %q", got.header.Get("Allow"))
			}
			request := newRequest(t, http.MethodPost, server.URL+path, `{"grant_type":"client_credentials"}`)
			request.Header.Set("Content-Type", "application/json")
			wantError(t, send(t, request), http.StatusUnsupportedMediaType, "invalid_request")

			repeated := formRequest(t, server.URL+path, map[string][]string{"client_id": {"a", "b"}})
			wantError(t, send(t, repeated), http.StatusBadRequest, "invalid_request")

			large := formRequest(t, server.URL+path, values("token", strings.Repeat("x", 2<<20)))
			wantError(t, send(t, large), http.StatusRequestEntityTooLarge, "invalid_request")
		})
	}
}

func TestTokenAnswerHasTheFieldsOfADomain(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	got := signIn(t, server, allScopes)
	fields := slices.Sorted(maps.Keys(got.json))
	if !slices.Equal(fields, []string{"access_token", "expires_in", "id_token", "refresh_token", "token_type"}) {
		t.Errorf("fields %v", fields)
	}
	if got.str("token_type") != "Bearer" || got.json["expires_in"] != 3600.0 {
		t.Error(got.text)
	}
	if token := got.str("refresh_token"); !strings.HasPrefix(token, "AQIDBA") || strings.Contains(token, ".") {
		t.Errorf("refresh token %q", token)
	}
	if got.header.Get("Cache-Control") != "no-cache, no-store, must-revalidate" || got.header.Get("X-ORACLE-DMS-ECID") == "" {
		t.Errorf("%v", got.header)
	}
	requests := server.Requests(domaintest.Token)
	if last := requests[len(requests)-1]; last.ECID != got.header.Get("X-ORACLE-DMS-ECID") || last.Status != 200 {
		t.Errorf("journal %+v", last)
	}
}

func TestAccessTokenClaims(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	_, claims := parts(t, signIn(t, server, allScopes).str("access_token"))
	names := slices.Sorted(maps.Keys(claims))
	want := strings.Fields("aud client_id client_name domain exp iat iss jti scope sub sub_type tenant tenant_iss user_displayname")
	if !slices.Equal(names, want) {
		t.Errorf("claims %v, want %v", names, want)
	}
	for name, want := range map[string]any{
		"iss": domaintest.GenericIssuer, "aud": "https://llm.example.com", "sub": domaintest.DefaultUser.Name,
		"sub_type": "user", "client_id": domaintest.MobileClient, "tenant_iss": server.URL,
		"user_displayname": "Maria Example", "scope": "openid offline_access /chat",
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 3600 {
		t.Errorf("it lives for %v s", life)
	}
}

func TestIDTokenClaims(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	got := signIn(t, server, allScopes)
	_, claims := parts(t, got.str("id_token"))
	if !same(claims["aud"], []string{domaintest.GenericIssuer, domaintest.MobileClient}) ||
		claims["azp"] != domaintest.MobileClient || claims["nonce"] != "a nonce" || claims["iss"] != domaintest.GenericIssuer {
		t.Error(claims)
	}
	sum := sha256.Sum256([]byte(got.str("access_token")))
	if want := base64.RawURLEncoding.EncodeToString(sum[:16]); claims["at_hash"] != want {
		t.Errorf("at_hash %v, want %v", claims["at_hash"], want)
	}
	if claims["exp"] != claims["session_exp"] || claims["exp"].(float64)-claims["iat"].(float64) != 8*3600 {
		t.Errorf("exp %v, session_exp %v, iat %v", claims["exp"], claims["session_exp"], claims["iat"])
	}
}

func TestIDTokenOnlyWithOpenID(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	if got := signIn(t, server, domaintest.DefaultScope); got.json["id_token"] != nil {
		t.Error(got.text)
	}
}

func TestOpenIDAloneGivesATokenForTheDomain(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := signIn(t, server, "openid").str("access_token")
	if _, claims := parts(t, token); claims["aud"] != server.URL {
		t.Errorf("aud %v", claims["aud"])
	}
	if got := ask(t, server, token); got.status != http.StatusUnauthorized {
		t.Errorf("the endpoint answers %d", got.status)
	}
}

func TestExpiresInIsSettable(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{ExpiresIn: 27261})
	for _, want := range []int{27261, 60, 3600} {
		server.Change(func(o *domaintest.Options) { o.ExpiresIn = want })
		tokens := issue(t, server, allScopes)
		_, claims := parts(t, tokens.AccessToken)
		if tokens.ExpiresIn != want || int(claims["exp"].(float64)-claims["iat"].(float64)) != want {
			t.Errorf("expires_in %d, claims %v", tokens.ExpiresIn, claims)
		}
	}
}

func TestScopesBelongToOneResource(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{Resources: []domaintest.Resource{
		{Audience: "https://llm.example.com", Scopes: []string{"/chat"}},
		{Audience: "https://other.example.com/", Scopes: []string{"read", "write"}},
	}})
	for scope, want := range map[string]bool{
		"https://llm.example.com/chat":                                   true,
		"https://other.example.com/read https://other.example.com/write": true,
		"https://llm.example.com/chat https://other.example.com/read":    false,
		"https://llm.example.comchat":                                    false,
		"https://other.example.com//read":                                false,
		"https://llm.example.com":                                        false,
	} {
		_, err := server.Issue(domaintest.MobileClient, scope)
		if (err == nil) != want {
			t.Errorf("%s: %v", scope, err)
		}
	}
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func TestClientAuthentication(t *testing.T) {
	key, err := rsa.GenerateKey(cryptorand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	server := domaintest.New(t, domaintest.Options{Clients: []domaintest.Client{
		{ID: domaintest.ConfidentialClient, Secret: "s&cr=t+ 100%"},
		{ID: domaintest.MobileClient},
		{ID: "signing-client", PublicKey: &key.PublicKey},
	}})
	token := server.URL + "/oauth2/v1/token"
	form := func(pairs ...string) *http.Request {
		return formRequest(t, token, with(values(pairs...), "grant_type", "client_credentials", "scope", domaintest.DefaultScope))
	}
	basic := func(id, secret string) *http.Request {
		request := form()
		request.SetBasicAuth(id, secret)
		return request
	}
	assertion := func(change map[string]any) *http.Request {
		now := server.Clock.Now().Unix()
		claims := map[string]any{"iss": "signing-client", "sub": "signing-client", "aud": domaintest.GenericIssuer,
			"iat": now, "exp": now + 60, "jti": cryptorand.Text()}
		maps.Copy(claims, change)
		return form("client_assertion_type", assertionType,
			"client_assertion", sign(t, key, claims))
	}
	both := basic(domaintest.ConfidentialClient, "s%26cr%3Dt%2B+100%25")
	both.Body = form("client_secret", "x").Body
	both.ContentLength = -1

	for name, test := range map[string]struct {
		request *http.Request
		status  int
		code    string
	}{
		"post":                      {form("client_id", domaintest.ConfidentialClient, "client_secret", "s&cr=t+ 100%"), 200, ""},
		"basic, form-encoded":       {basic(domaintest.ConfidentialClient, "s%26cr%3Dt%2B+100%25"), 200, ""},
		"assertion":                 {assertion(nil), 200, ""},
		"wrong secret":              {form("client_id", domaintest.ConfidentialClient, "client_secret", "guess"), 401, "invalid_client"},
		"wrong secret by basic":     {basic(domaintest.ConfidentialClient, "guess"), 401, "invalid_client"},
		"no secret":                 {form("client_id", domaintest.ConfidentialClient), 401, "invalid_client"},
		"unknown client":            {form("client_id", "nobody"), 401, "invalid_client"},
		"no client":                 {form(), 401, "invalid_client"},
		"public client":             {form("client_id", domaintest.MobileClient), 400, "unauthorized_client"},
		"public client with secret": {form("client_id", domaintest.MobileClient, "client_secret", ""), 401, "invalid_client"},
		"basic and post":            {both, 400, "invalid_request"},
		"assertion, expired":        {assertion(map[string]any{"exp": server.Clock.Now().Unix()}), 401, "invalid_client"},
		"assertion, no exp":         {assertion(map[string]any{"exp": nil}), 401, "invalid_client"},
		"assertion, elsewhere":      {assertion(map[string]any{"aud": "https://example.com"}), 401, "invalid_client"},
		"assertion, other subject":  {assertion(map[string]any{"sub": domaintest.ConfidentialClient}), 401, "invalid_client"},
		"assertion, other issuer":   {assertion(map[string]any{"iss": "nobody"}), 401, "invalid_client"},
		"assertion, other key":      {form("client_assertion_type", assertionType, "client_assertion", "e30.e30.e30"), 401, "invalid_client"},
		"assertion, other type":     {form("client_assertion_type", "saml", "client_assertion", "e30.e30.e30"), 400, "invalid_request"},
		"assertion, no token":       {form("client_assertion_type", assertionType, "client_assertion", "x"), 401, "invalid_client"},
		"assertion, no ID":          {assertion(map[string]any{"jti": nil}), 401, "invalid_client"},
		"assertion, first use":      {assertion(map[string]any{"jti": "once"}), 200, ""},
		"assertion, for a day":      {assertion(map[string]any{"exp": server.Clock.Now().Unix() + 86400}), 401, "invalid_client"},
		"assertion, of tomorrow":    {assertion(map[string]any{"iat": server.Clock.Now().Unix() + 86400}), 401, "invalid_client"},
		"assertion, list audience":  {assertion(map[string]any{"aud": []string{"x", token}}), 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := send(t, test.request)
			if test.code != "" {
				wantError(t, got, test.status, test.code)
				return
			}
			if got.status != http.StatusOK || got.json["refresh_token"] != nil || got.json["id_token"] != nil {
				t.Errorf("%d %s", got.status, got.text)
			}
		})
	}
}

// An assertion serves once, and with the key's ID where the client has one.
func TestAssertionServesOnce(t *testing.T) {
	key, err := rsa.GenerateKey(cryptorand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	server := domaintest.New(t, domaintest.Options{Clients: []domaintest.Client{
		{ID: "free", PublicKey: &key.PublicKey}, {ID: "named", PublicKey: &key.PublicKey, KeyID: "k"},
	}})
	ask := func(client, id string) int {
		now := server.Clock.Now().Unix()
		return send(t, formRequest(t, server.URL+"/oauth2/v1/token", values(
			"grant_type", "client_credentials", "scope", domaintest.DefaultScope, "client_assertion_type", assertionType,
			"client_assertion", sign(t, key, map[string]any{"iss": client, "sub": client, "aud": domaintest.GenericIssuer,
				"iat": now, "exp": now + 60, "jti": id})))).status
	}
	for _, test := range []struct {
		client, id string
		want       int
	}{{"free", "1", 200}, {"free", "1", 401}, {"free", "2", 200}, {"named", "3", 401}} {
		if got := ask(test.client, test.id); got != test.want {
			t.Errorf("%s, assertion %s: %d, want %d", test.client, test.id, got, test.want)
		}
	}
}

func TestResourceIndicators(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{ResourceIndicators: true})
	ask := func(pairs ...string) reply {
		return send(t, formRequest(t, server.URL+"/oauth2/v1/token", with(values(pairs...), "grant_type", "client_credentials",
			"scope", domaintest.DefaultScope+" urn:opc:resource:expiry=300", "client_id", domaintest.ConfidentialClient, "client_secret", domaintest.ConfidentialSecret)))
	}
	wantError(t, ask("resource", "https://other.example.com"), http.StatusBadRequest, "invalid_target")
	got := ask("resource", "https://llm.example.com")
	if _, claims := parts(t, got.str("access_token")); claims["aud"] != "https://llm.example.com" || got.json["expires_in"] != 300.0 {
		t.Error(got.text)
	}
}

// sign returns claims as a token signed by key.
func sign(t *testing.T, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestClientCredentialsAreForTheClientItself(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	got := post(t, server.URL+"/oauth2/v1/token", confidential("grant_type", "client_credentials", "scope", allScopes))
	if got.status != http.StatusOK || got.json["refresh_token"] != nil || got.json["id_token"] != nil {
		t.Fatalf("%d %s", got.status, got.text)
	}
	_, claims := parts(t, got.str("access_token"))
	if claims["sub"] != domaintest.ConfidentialClient || claims["sub_type"] != "client" || claims["user_displayname"] != nil {
		t.Error(claims)
	}
	if got := ask(t, server, got.str("access_token")); got.status != http.StatusOK {
		t.Errorf("the endpoint answers %d", got.status)
	}
}

func TestUnknownGrants(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := server.URL + "/oauth2/v1/token"
	wantError(t, post(t, token, mobile("grant_type", "password")), http.StatusBadRequest, "unsupported_grant_type")
	wantError(t, post(t, token, mobile()), http.StatusBadRequest, "invalid_request")
}

func TestTokenLatencyDelaysTheTokenOperation(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{TokenLatency: 50 * time.Millisecond})
	begun := time.Now()
	signIn(t, server, allScopes)
	if took := time.Since(begun); took < 50*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}
