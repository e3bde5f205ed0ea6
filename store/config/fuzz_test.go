package config

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"domain_url":"https://idcs.example","client_id":"c","auth_method":"mobile_app","llm_base_url":"https://llm.example/v1"} // end`))
	f.Add([]byte("\xef\xbb\xbf{\"client_secret\":\"{file:~/x}\",}"))
	f.Add([]byte(`{"domain_url": /* open`))
	f.Add([]byte(minimal))
	f.Add([]byte(`{"client_id": "x", "client_id": [1, {"a": null}]} // end`))
	places := storetest.Places(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := parseConfig(places, "/p/"+Name, text)
		if err != nil {
			if p := problem.From(err); p.Kind != problem.Config || !strings.HasPrefix(p.Message, "/p/"+Name) || p.Hint == "" {
				t.Errorf("%+v", p)
			}
			return
		}
		addresses := []string{config.DomainURL}
		for _, endpoint := range config.Endpoints() {
			addresses = append(addresses, endpoint.BaseURL)
		}
		for _, address := range addresses {
			u, err := url.Parse(address)
			if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && !(u.Scheme == "http" && network.Loopback(u.Hostname())) {
				t.Errorf("taken: %q", address)
			}
		}
		for _, redirect := range config.RedirectURIs {
			if u, err := url.Parse(redirect); err != nil || !network.Loopback(u.Hostname()) {
				t.Errorf("taken: redirect %q", redirect)
			}
		}
		if config.ClientID == "" || config.Scope == "" || len(config.RedirectURIs) == 0 || !filepath.IsAbs(config.LogFile) {
			t.Errorf("taken: %+v", config)
		}
	})
}
