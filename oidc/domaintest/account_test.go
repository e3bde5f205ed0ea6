package domaintest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestUserInfo(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	request := newRequest(t, http.MethodGet, server.URL+"/oauth2/v1/userinfo", "")
	request.Header.Set("Authorization", "Bearer "+issue(t, server, allScopes).AccessToken)
	if got := send(t, request); got.str("sub") != "maria@example.com" || got.str("name") != "Maria Example" {
		t.Errorf("%d %s", got.status, got.text)
	}
	server.Clock.Advance(time.Hour)
	if got := send(t, request); got.status != http.StatusUnauthorized {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestIntrospect(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := issue(t, server, allScopes).AccessToken
	introspect := func(form ...string) reply { return post(t, server.URL+"/oauth2/v1/introspect", confidential(form...)) }
	if got := introspect("token", token); got.json["active"] != true || got.str("sub") != "maria@example.com" {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := introspect("token", "unknown"); got.json["active"] != false {
		t.Errorf("%d %s", got.status, got.text)
	}
	wantError(t, post(t, server.URL+"/oauth2/v1/introspect", mobile("token", token)), http.StatusUnauthorized, "invalid_client")
}

func TestLogout(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	if got := get(t, server.URL+"/oauth2/v1/userlogout"); got.status != http.StatusOK || !strings.Contains(got.text, "signed out") {
		t.Errorf("%d %s", got.status, got.text)
	}
}
