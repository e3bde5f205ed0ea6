package domaintest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestDiscoveryHasTheFieldsAndAbsencesOfADomain(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	got := get(t, server.URL+"/.well-known/openid-configuration")
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.text)
	}
	for name, want := range map[string]string{
		"issuer":                 "https://identity.oraclecloud.com/",
		"authorization_endpoint": server.URL + "/oauth2/v1/authorize",
		"token_endpoint":         server.URL + "/oauth2/v1/token",
		"userinfo_endpoint":      server.URL + "/oauth2/v1/userinfo",
		"revocation_endpoint":    server.URL + "/oauth2/v1/revoke",
		"introspection_endpoint": server.URL + "/oauth2/v1/introspect",
		"end_session_endpoint":   server.URL + "/oauth2/v1/userlogout",
		"jwks_uri":               server.URL + "/admin/v1/SigningCert/jwk",
	} {
		if got.str(name) != want {
			t.Errorf("%s is %q, want %q", name, got.str(name), want)
		}
	}
	for _, absent := range []string{"device_authorization_endpoint", "code_challenge_methods_supported",
		"registration_endpoint", "authorization_response_iss_parameter_supported"} {
		if _, ok := got.json[absent]; ok {
			t.Errorf("%s is present", absent)
		}
	}
	if !same(got.json["token_endpoint_auth_methods_supported"],
		[]string{"client_secret_basic", "private_key_jwt", "client_secret_post"}) ||
		!same(got.json["id_token_signing_alg_values_supported"], []string{"RS256"}) ||
		!same(got.json["scopes_supported"], strings.Fields("openid profile offline_access email address phone"+
			" groups get_groups approles get_approles")) {
		t.Error(got.text)
	}
	if strings.Contains(got.text, "device_code") {
		t.Error("the device grant is listed")
	}
}

func TestIDCSDiscoveryNestsTheSameDocument(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	plain := get(t, server.URL+"/.well-known/openid-configuration")
	nested := get(t, server.URL+"/.well-known/idcs-configuration")
	if !same(nested.json["openid-configuration"], plain.json) {
		t.Error(nested.text)
	}
	if n := server.Count(domaintest.Discovery); n != 2 {
		t.Errorf("%d discoveries counted", n)
	}
}

func TestIssuerCanBeChanged(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	server.Change(func(o *domaintest.Options) { o.Issuer = server.URL })
	if got := get(t, server.URL+"/.well-known/openid-configuration"); got.str("issuer") != server.URL {
		t.Error(got.text)
	}
	if _, claims := parts(t, issue(t, server, allScopes).IDToken); claims["iss"] != server.URL {
		t.Error(claims)
	}
}

func TestSigningKeysArePublicOnlyIfEnabled(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	if got := get(t, server.URL+"/admin/v1/SigningCert/jwk"); got.status != http.StatusUnauthorized {
		t.Fatalf("%d %s", got.status, got.text)
	}
	server.Change(func(o *domaintest.Options) { o.PublicSigningKeys = true })
	key, tokens := publishedKey(t, server), issue(t, server, allScopes)
	for _, token := range []string{tokens.AccessToken, tokens.IDToken} {
		header, _ := parts(t, token)
		if header["alg"] != "RS256" || header["kid"] != "SIGNING_KEY" || header["typ"] != nil {
			t.Errorf("header %v", header)
		}
		if !strings.HasPrefix(token, "eyJ4NXQ") || !signedBy(token, key) {
			t.Errorf("token %s", token)
		}
	}
}

func TestTwoDomainsShareTheIssuerAndNothingElse(t *testing.T) {
	one := domaintest.New(t, domaintest.Options{PublicSigningKeys: true})
	two := domaintest.New(t, domaintest.Options{PublicSigningKeys: true})
	tokens := issue(t, one, allScopes)
	_, claims := parts(t, tokens.AccessToken)
	_, others := parts(t, issue(t, two, allScopes).AccessToken)
	if claims["iss"] != others["iss"] {
		t.Errorf("issuers %v and %v", claims["iss"], others["iss"])
	}
	if claims["tenant"] == others["tenant"] || claims["tenant_iss"] != one.URL || others["tenant_iss"] != two.URL {
		t.Errorf("tenants %v and %v", claims["tenant"], others["tenant"])
	}
	if signedBy(tokens.AccessToken, publishedKey(t, two)) {
		t.Error("both domains sign with one key")
	}
	wantError(t, refresh(t, two, tokens.RefreshToken), http.StatusBadRequest, "invalid_grant")
	if got := ask(t, two, tokens.AccessToken); got.status != http.StatusUnauthorized {
		t.Errorf("the other endpoint answers %d", got.status)
	}
	if got := refresh(t, one, tokens.RefreshToken); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}
