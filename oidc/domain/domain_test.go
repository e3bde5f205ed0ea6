package domain

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// standIn starts a domain and returns the configuration of its public client.
func standIn(t testing.TB, options domaintest.Options) (*domaintest.Server, config.Config) {
	t.Helper()
	server := domaintest.New(t, options)
	return server, parse(t, map[string]any{
		"domain_url": server.URL, "llm_base_url": server.LLMBaseURL, "auth_method": "mobile_app", "client_id": domaintest.MobileClient,
	})
}

func parse(t testing.TB, values map[string]any) config.Config {
	t.Helper()
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	places := store.Places{Home: home, ConfigDirs: []string{home}}
	config, err := config.Parse(places, filepath.Join(home, config.Name), text)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func newDomain(t testing.TB, config config.Config) *Domain {
	t.Helper()
	d, err := New(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// way is a RoundTripper that replaces the network.
type way func(*http.Request) (*http.Response, error)

func (w way) RoundTrip(req *http.Request) (*http.Response, error) { return w(req) }

// jwt returns a JWT with the given claims and an invalid signature.
func jwt(claims string) string {
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AAAA"
}
