package domaintest_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"golang.org/x/oauth2"
)

const scopes = "openid offline_access " + domaintest.DefaultScope

// config returns an x/oauth2 configuration for the default domain.
func config(server *domaintest.Server, clientID, secret string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:     clientID,
		ClientSecret: secret,
		Endpoint: oauth2.Endpoint{
			AuthURL:       server.URL + "/oauth2/v1/authorize",
			TokenURL:      server.URL + "/oauth2/v1/token",
			DeviceAuthURL: server.URL + "/oauth2/v1/device",
		},
		RedirectURL: domaintest.DefaultRedirect,
		Scopes:      strings.Fields(scopes),
	}
}

// greet asks the endpoint for a greeting and returns the whole answer.
func greet(t *testing.T, client *http.Client, server *domaintest.Server) string {
	t.Helper()
	answer, err := client.Post(server.LLMBaseURL+"/chat/completions", "application/json",
		strings.NewReader(`{"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return string(text)
}

func TestOAuth2ClientSignsInByCodeWithPKCE(t *testing.T) {
	for _, client := range []struct{ id, secret string }{
		{domaintest.ConfidentialClient, domaintest.ConfidentialSecret},
		{domaintest.MobileClient, ""},
	} {
		t.Run(client.id, func(t *testing.T) {
			server := domaintest.New(t, domaintest.Options{AutoApprove: true})
			config := config(server, client.id, client.secret)
			verifier := oauth2.GenerateVerifier()
			back := location(t, config.AuthCodeURL("the-state", oauth2.S256ChallengeOption(verifier)))
			if got := back.Get("state"); got != "the-state" {
				t.Fatalf("state %q", got)
			}
			token, err := config.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption(verifier))
			if err != nil {
				t.Fatal(err)
			}
			if said := greet(t, config.Client(t.Context(), token), server); !strings.Contains(said, "Hello Maria Example, your token is valid.") {
				t.Error(said)
			}
		})
	}
}

func TestOAuth2ClientSignsInByDevice(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApproveDevices: true})
	config := config(server, domaintest.ConfidentialClient, domaintest.ConfidentialSecret)
	device, err := config.DeviceAuth(t.Context(), oauth2.SetAuthURLParam("response_type", "device_code"))
	if err != nil {
		t.Fatal(err)
	}
	device.Interval = 1
	token, err := config.DeviceAccessToken(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	if said := greet(t, config.Client(context.Background(), token), server); !strings.Contains(said, "Hello Maria Example") {
		t.Error(said)
	}
}

// location returns the query of the redirect that a GET of address is answered with.
func location(t *testing.T, address string) url.Values {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	back, err := answer.Location()
	if err != nil {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("%v\n%s", err, text)
	}
	return back.Query()
}
