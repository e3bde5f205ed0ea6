package domaintest_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// startDevice sends the device request of a client.
func startDevice(t *testing.T, server *domaintest.Server, clientID string) reply {
	t.Helper()
	got := post(t, server.URL+"/oauth2/v1/device",
		values("response_type", "device_code", "client_id", clientID, "scope", allScopes))
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.text)
	}
	return got
}

// poll sends one poll of the public client.
func poll(t *testing.T, server *domaintest.Server, started reply) reply {
	t.Helper()
	return post(t, server.URL+"/oauth2/v1/token", mobile("device_code", started.str("device_code"),
		"grant_type", "urn:ietf:params:oauth:grant-type:device_code"))
}

func TestDeviceAnswerHasExactlyFourFields(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	for _, client := range []string{domaintest.MobileClient, domaintest.ConfidentialClient} {
		got := startDevice(t, server, client)
		if fields := slices.Sorted(maps.Keys(got.json)); !slices.Equal(fields,
			[]string{"device_code", "expires_in", "user_code", "verification_uri"}) {
			t.Errorf("fields %v", fields)
		}
		if got.json["expires_in"] != 300.0 || got.str("verification_uri") != server.URL+"/ui/v1/device" ||
			!regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(got.str("device_code")) ||
			!regexp.MustCompile(`^[B-Z]{8}$`).MatchString(got.str("user_code")) {
			t.Error(got.text)
		}
	}
}

func TestDeviceRequestsThatAreRefused(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	whole := func(pairs ...string) reply {
		return post(t, server.URL+"/oauth2/v1/device", with(mobile("response_type", "device_code", "scope", allScopes), pairs...))
	}
	wantError(t, whole("response_type", ""), http.StatusBadRequest, "invalid_request")
	wantError(t, whole("client_id", "nobody"), http.StatusUnauthorized, "invalid_client")
	wantError(t, whole("scope", "https://llm.example.com/other"), http.StatusBadRequest, "invalid_scope")
}

func TestDevicePolls(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{SlowDown: 2})
	started := startDevice(t, server, domaintest.MobileClient)
	for _, want := range []string{"slow_down", "slow_down", "authorization_pending", "authorization_pending"} {
		wantError(t, poll(t, server, started), http.StatusBadRequest, want)
	}
	if err := server.ApproveDevice(started.str("user_code")); err != nil {
		t.Fatal(err)
	}
	if got := poll(t, server, started); got.status != http.StatusOK || got.str("refresh_token") == "" || got.str("id_token") == "" {
		t.Fatalf("%d %s", got.status, got.text)
	}
	wantError(t, poll(t, server, started), http.StatusBadRequest, "invalid_grant")
}

func TestDeviceCodesThatCannotServe(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	denied := startDevice(t, server, domaintest.MobileClient)
	if err := server.DenyDevice(denied.str("user_code")); err != nil {
		t.Fatal(err)
	}
	wantError(t, poll(t, server, denied), http.StatusBadRequest, "access_denied")

	approved := startDevice(t, server, domaintest.MobileClient)
	late := startDevice(t, server, domaintest.MobileClient)
	if err := server.ApproveDevice(approved.str("user_code")); err != nil {
		t.Fatal(err)
	}
	server.Clock.Advance(5 * time.Minute)
	wantError(t, poll(t, server, approved), http.StatusBadRequest, "expired_token")
	wantError(t, poll(t, server, late), http.StatusBadRequest, "expired_token")
	if server.ApproveDevice(late.str("user_code")) == nil || server.DenyDevice("NONESUCH") == nil {
		t.Error("an expired or unknown code was accepted")
	}
	wantError(t, poll(t, server, reply{}), http.StatusBadRequest, "invalid_grant")
	wantError(t, poll(t, server, startDevice(t, server, domaintest.ConfidentialClient)), http.StatusBadRequest, "invalid_grant")
}

func TestConfidentialClientAuthenticatesAtEveryPoll(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApproveDevices: true})
	started := startDevice(t, server, domaintest.ConfidentialClient)
	form := values("grant_type", "urn:ietf:params:oauth:grant-type:device_code",
		"device_code", started.str("device_code"), "client_id", domaintest.ConfidentialClient)
	wantError(t, post(t, server.URL+"/oauth2/v1/token", form), http.StatusUnauthorized, "invalid_client")
	form = with(form, "client_secret", domaintest.ConfidentialSecret)
	if got := post(t, server.URL+"/oauth2/v1/token", form); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestPersonAllowsADeviceOnItsPage(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	started := startDevice(t, server, domaintest.MobileClient)
	page := started.str("verification_uri")
	code := started.str("user_code")
	typed := strings.ToLower(code[:4] + "-" + code[4:])

	if got := get(t, page); !strings.Contains(got.text, `name="user_code"`) {
		t.Error(got.text)
	}
	if got := post(t, page, values("user_code", "NONESUCH")); !strings.Contains(got.text, "not valid") {
		t.Error(got.text)
	}
	got := post(t, page, values("user_code", typed))
	for _, part := range []string{domaintest.MobileClient, code, `name="password"`, `value="allow"`, `value="deny"`} {
		if !strings.Contains(got.text, part) {
			t.Errorf("the page has no %s:\n%s", part, got.text)
		}
	}
	user := domaintest.DefaultUser
	form := values("user_code", code, "username", user.Name, "password", "guess", "decision", "allow")
	if got := post(t, page, form); !strings.Contains(got.text, "incorrect user name or password") {
		t.Error(got.text)
	}
	wantError(t, poll(t, server, started), http.StatusBadRequest, "authorization_pending")
	if got := post(t, page, with(form, "password", user.Password)); !strings.Contains(got.text, "Device signed in") {
		t.Error(got.text)
	}
	if got := poll(t, server, started); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestPersonDeniesADeviceOnItsPage(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	started := startDevice(t, server, domaintest.MobileClient)
	post(t, started.str("verification_uri"), values("user_code", started.str("user_code"), "decision", "deny"))
	wantError(t, poll(t, server, started), http.StatusBadRequest, "access_denied")
}

func TestAutoApproveNeedsOneVisit(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	started := startDevice(t, server, domaintest.MobileClient)
	wantError(t, poll(t, server, started), http.StatusBadRequest, "authorization_pending")
	get(t, started.str("verification_uri"))
	if got := poll(t, server, started); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}
