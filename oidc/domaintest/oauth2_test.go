package domaintest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"golang.org/x/oauth2"
)

// A client that nobody here wrote signs in, refreshes and is greeted.

var peers = []struct{ id, secret string }{
	{domaintest.ConfidentialClient, domaintest.ConfidentialSecret},
	{domaintest.MobileClient, ""},
}

func peerConfig(server *domaintest.Server, clientID, secret string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:     clientID,
		ClientSecret: secret,
		Endpoint: oauth2.Endpoint{
			AuthURL:       server.URL + "/oauth2/v1/authorize",
			TokenURL:      server.URL + "/oauth2/v1/token",
			DeviceAuthURL: server.URL + "/oauth2/v1/device",
		},
		RedirectURL: domaintest.DefaultRedirect,
		Scopes:      strings.Fields(allScopes),
	}
}

// wantGreeting sends a chat request with the peer's own HTTP client, an hour later:
// it must have refreshed by then.
func wantGreeting(t *testing.T, server *domaintest.Server, config *oauth2.Config, token *oauth2.Token) {
	t.Helper()
	server.Clock.Advance(time.Hour)
	token.Expiry = time.Now().Add(-time.Second)
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: http.DefaultTransport})
	answer, err := config.Client(ctx, token).Post(server.LLMBaseURL+"/chat/completions", "application/json",
		strings.NewReader(`{"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
}

func TestOAuth2SignsInByCodeWithPKCE(t *testing.T) {
	for _, peer := range peers {
		t.Run(peer.id, func(t *testing.T) {
			server := domaintest.New(t, domaintest.Options{})
			config := peerConfig(server, peer.id, peer.secret)
			verifier := oauth2.GenerateVerifier()
			back := callback(t, server, config.AuthCodeURL("the state", oauth2.S256ChallengeOption(verifier)))
			token, err := config.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			wantGreeting(t, server, config, token)
		})
	}
}

func TestOAuth2SignsInByDevice(t *testing.T) {
	for _, peer := range peers {
		t.Run(peer.id, func(t *testing.T) {
			server := domaintest.New(t, domaintest.Options{AutoApproveDevices: true})
			config := peerConfig(server, peer.id, peer.secret)
			device, err := config.DeviceAuth(t.Context(), oauth2.SetAuthURLParam("response_type", "device_code"))
			if err != nil {
				t.Fatal(err)
			}
			device.Interval = 1 // the answer has none, and x/oauth2 would wait 5 s
			token, err := config.DeviceAccessToken(t.Context(), device)
			if err != nil {
				t.Fatal(err)
			}
			wantGreeting(t, server, config, token)
		})
	}
}
