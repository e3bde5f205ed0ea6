package domaintest_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestRefreshTokenNeedsThreeSwitches(t *testing.T) {
	client := domaintest.Client{ID: domaintest.MobileClient, RedirectURIs: []string{domaintest.DefaultRedirect}}
	resource := domaintest.Resource{Audience: "https://llm.example.com", Scopes: []string{"/chat"}}
	noGrant, noRefresh := client, resource
	noGrant.NoRefreshGrant = true
	noRefresh.NoTokenRefresh = true
	for name, test := range map[string]struct {
		client   domaintest.Client
		resource domaintest.Resource
		scope    string
		want     bool
	}{
		"all on":                       {client, resource, allScopes, true},
		"the client has no grant":      {noGrant, resource, allScopes, false},
		"offline_access is not asked":  {client, resource, "openid " + domaintest.DefaultScope, false},
		"the resource does not let it": {client, noRefresh, allScopes, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := domaintest.New(t, domaintest.Options{
				Clients: []domaintest.Client{test.client}, Resources: []domaintest.Resource{test.resource}})
			got := signIn(t, server, test.scope)
			if (got.json["refresh_token"] != nil) != test.want {
				t.Error(got.text)
			}
		})
	}
}

func TestRefreshTokensServeOnce(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized} {
		server := domaintest.New(t, domaintest.Options{ReuseStatus: status})
		first := signIn(t, server, allScopes)
		second := refresh(t, server, first.str("refresh_token"))
		if second.status != http.StatusOK || second.str("refresh_token") == "" ||
			second.str("refresh_token") == first.str("refresh_token") ||
			second.str("access_token") == first.str("access_token") {
			t.Fatalf("%d %s", second.status, second.text)
		}
		if _, claims := parts(t, second.str("id_token")); claims["nonce"] != nil {
			t.Errorf("the nonce was repeated: %v", claims)
		}
		wantError(t, refresh(t, server, first.str("refresh_token")), status, "invalid_grant")
		if third := refresh(t, server, second.str("refresh_token")); third.status != http.StatusOK {
			t.Errorf("after a reuse: %d %s", third.status, third.text)
		}
	}
}

func TestReuseEndsTheFamilyIfEnabled(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{FamilyRevocation: true})
	first := issue(t, server, allScopes)
	second := refresh(t, server, first.RefreshToken)
	wantError(t, refresh(t, server, first.RefreshToken), http.StatusBadRequest, "invalid_grant")
	wantError(t, refresh(t, server, second.str("refresh_token")), http.StatusBadRequest, "invalid_grant")
	if other := refresh(t, server, issue(t, server, allScopes).RefreshToken); other.status != http.StatusOK {
		t.Errorf("another family: %d %s", other.status, other.text)
	}
}

func TestRefreshWithoutRotation(t *testing.T) {
	for rotation, inAnswer := range map[domaintest.Rotation]bool{domaintest.Keep: true, domaintest.Omit: false} {
		server := domaintest.New(t, domaintest.Options{Rotation: rotation})
		token := issue(t, server, allScopes).RefreshToken
		for range 3 {
			got := refresh(t, server, token)
			if got.status != http.StatusOK || (got.str("refresh_token") == token) != inAnswer ||
				(got.json["refresh_token"] != nil) != inAnswer {
				t.Errorf("%s: %d %s", rotation, got.status, got.text)
			}
		}
	}
}

func TestRefreshTokensSlide(t *testing.T) {
	for _, rotation := range []domaintest.Rotation{domaintest.Rotate, domaintest.Keep} {
		server := domaintest.New(t, domaintest.Options{Rotation: rotation})
		token := issue(t, server, allScopes).RefreshToken
		for range 3 {
			server.Clock.Advance(7*24*time.Hour - time.Minute)
			got := refresh(t, server, token)
			if got.status != http.StatusOK {
				t.Fatalf("%s: %d %s", rotation, got.status, got.text)
			}
			token = got.str("refresh_token")
		}
		server.Clock.Advance(7 * 24 * time.Hour)
		wantError(t, refresh(t, server, token), http.StatusBadRequest, "invalid_grant")
	}
}

func TestIDTokensEndWithTheSession(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := issue(t, server, allScopes).RefreshToken
	server.Clock.Advance(8 * time.Hour)
	got := refresh(t, server, token)
	if got.status != http.StatusOK || got.json["id_token"] != nil {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestRefreshTokensBelongToTheirClient(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := issue(t, server, allScopes).RefreshToken
	stolen := post(t, server.URL+"/oauth2/v1/token", confidential("grant_type", "refresh_token", "refresh_token", token))
	wantError(t, stolen, http.StatusBadRequest, "invalid_grant")
	if got := refresh(t, server, token); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestRefreshMayNarrowTheScope(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := issue(t, server, "offline_access "+domaintest.DefaultScope).RefreshToken
	form := mobile("grant_type", "refresh_token", "refresh_token", token, "scope", "openid")
	wantError(t, post(t, server.URL+"/oauth2/v1/token", form), http.StatusBadRequest, "invalid_scope")
	got := post(t, server.URL+"/oauth2/v1/token", with(form, "scope", domaintest.DefaultScope))
	if _, claims := parts(t, got.str("access_token")); claims["scope"] != "/chat" {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestOneOfManyRefreshesWins(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	form := mobile("grant_type", "refresh_token", "refresh_token", issue(t, server, allScopes).RefreshToken)
	var wins atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		request := formRequest(t, server.URL+"/oauth2/v1/token", form)
		all.Go(func() {
			answer, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Error(err)
				return
			}
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				wins.Add(1)
			}
		})
	}
	all.Wait()
	if wins.Load() != 1 || server.Count(domaintest.Token) != 20 {
		t.Errorf("%d of %d won", wins.Load(), server.Count(domaintest.Token))
	}
}

func TestRevokeTakesRefreshTokensOnly(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	revoke := server.URL + "/oauth2/v1/revoke"
	tokens := issue(t, server, allScopes)

	wantError(t, post(t, revoke, mobile("token", tokens.AccessToken)), http.StatusBadRequest, "unsupported_token_type")
	wantError(t, post(t, revoke, mobile()), http.StatusBadRequest, "invalid_request")
	wantError(t, post(t, revoke, values("token", tokens.RefreshToken)), http.StatusUnauthorized, "invalid_client")
	if got := post(t, revoke, mobile("token", "AQIDBAunknown")); got.status != http.StatusOK {
		t.Errorf("an unknown token: %d %s", got.status, got.text)
	}
	if got := post(t, revoke, confidential("token", tokens.RefreshToken)); got.status != http.StatusOK {
		t.Errorf("another client's token: %d %s", got.status, got.text)
	}
	next := refresh(t, server, tokens.RefreshToken)
	if next.status != http.StatusOK {
		t.Fatalf("another client revoked it: %d %s", next.status, next.text)
	}
	if got := post(t, revoke, mobile("token", next.str("refresh_token"))); got.status != http.StatusOK || got.text != "" {
		t.Errorf("%d %s", got.status, got.text)
	}
	wantError(t, refresh(t, server, next.str("refresh_token")), http.StatusBadRequest, "invalid_grant")
	if got := ask(t, server, next.str("access_token")); got.status != http.StatusOK {
		t.Errorf("the access token ended too: %d", got.status)
	}
}

func TestSessionsCanBeEnded(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	code := callback(t, server, authorizationURL(server)).Get("code")
	token := issue(t, server, allScopes).RefreshToken
	server.EndSessions()
	wantError(t, refresh(t, server, token), http.StatusBadRequest, "invalid_grant")
	wantError(t, redeem(t, server, code), http.StatusBadRequest, "invalid_grant")
}
