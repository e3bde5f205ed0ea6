package domaintest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// controlled starts a server and returns it with a function that sends commands.
func controlled(t *testing.T) (*domaintest.Server, func(command string) reply) {
	t.Helper()
	server := domaintest.New(t, domaintest.Options{})
	control := httptest.NewServer(server.Control())
	t.Cleanup(control.Close)
	return server, func(command string) reply {
		request := newRequest(t, http.MethodPost, control.URL+"/control", command)
		request.Header.Set("Content-Type", "application/json")
		return send(t, request)
	}
}

func TestControlRunsCommands(t *testing.T) {
	server, command := controlled(t)
	tokens := issue(t, server, allScopes)
	for _, text := range []string{
		`{"advance":90}`,
		`{"set":{"expires_in":60,"rotation":"keep","token_latency":0.001}}`,
		`{"faults":[{"operation":"discovery","kind":"portal"}]}`,
		`{"revoke_access_tokens":true,"revoke_refresh_tokens":true}`,
	} {
		if got := command(text); got.status != http.StatusOK || got.json["problem"] != nil {
			t.Fatalf("%s: %d %s", text, got.status, got.text)
		}
	}

	if ahead := time.Until(server.Clock.Now()).Round(time.Second); ahead != 90*time.Second {
		t.Errorf("the clock is ahead by %v", ahead)
	}
	options := server.Options()
	if options.ExpiresIn != 60 || options.Rotation != domaintest.Keep || options.TokenLatency != time.Millisecond {
		t.Errorf("%+v", options)
	}
	if got := get(t, server.URL+"/.well-known/openid-configuration"); got.json != nil {
		t.Error(got.text)
	}
	if got := ask(t, server, tokens.AccessToken); got.status != http.StatusUnauthorized {
		t.Errorf("%d %s", got.status, got.text)
	}
	wantError(t, refresh(t, server, tokens.RefreshToken), http.StatusBadRequest, "invalid_grant")
	token := issue(t, server, allScopes)
	command(`{"end_sessions":true}`)
	wantError(t, refresh(t, server, token.RefreshToken), http.StatusBadRequest, "invalid_grant")
}

func TestControlRefusesUnknownCommands(t *testing.T) {
	server, command := controlled(t)
	for _, text := range []string{
		`{`, `{"advance":"soon"}`, `{"adnavce":1}`, `{"set":{"expires":60}}`, `{"set":{"rotation":"sometimes"}}`,
		`{"faults":[{"operation":"tokens","kind":"throttle"}]}`, `{"faults":[{"operation":"token","kind":"fire"}]}`,
	} {
		if got := command(text); got.status != http.StatusBadRequest || got.str("problem") == "" {
			t.Errorf("%s: %d %s", text, got.status, got.text)
		}
	}
	if options := server.Options(); options.ExpiresIn != 3600 || options.Rotation != domaintest.Rotate {
		t.Errorf("%+v", options)
	}
}

func TestControlIsNotForBrowsers(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	control := httptest.NewServer(server.Control())
	defer control.Close()
	request := newRequest(t, http.MethodPost, control.URL+"/control", `{"advance":90}`)
	request.Header.Set("Content-Type", "text/plain")
	if got := send(t, request); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestControlShowsStateAndJournal(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	control := httptest.NewServer(server.Control())
	defer control.Close()
	signIn(t, server, allScopes)
	got := get(t, control.URL+"/control")
	var state struct {
		Now    time.Time
		Counts map[string]int
	}
	if err := json.Unmarshal([]byte(got.text), &state); err != nil {
		t.Fatal(err)
	}
	if state.Counts["token"] != 1 || state.Counts["chat"] != 0 || len(state.Counts) != 11 || state.Now.IsZero() {
		t.Error(got.text)
	}
	if got := get(t, control.URL+"/requests?operation=token"); !strings.Contains(got.text, `"code_verifier":["`+verifier+`"]`) {
		t.Error(got.text)
	}
}
