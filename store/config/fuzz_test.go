package config

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
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

func FuzzSecretRef(f *testing.F) {
	for _, seed := range []string{"the secret itself", "{file:~/.secrets/x}", "{file:", "{file: }", "{env:X}", "<your-secret>", "{file:../../x}", "{file:/a\x00b}"} {
		f.Add(seed)
	}
	home := f.TempDir()
	places := store.Places{Home: home}
	f.Fuzz(func(t *testing.T, value string) {
		c := &check.File{Path: filepath.Join(home, "project", Name)}
		ref := secretRef(places, c, "client_secret", value)
		if (len(c.Lines) > 0) != ref.None() && value != "" {
			t.Errorf("%q: %v, %v", value, c.Lines, ref)
		}
		if ref.File() != "" && !filepath.IsAbs(ref.File()) {
			t.Errorf("%q is the file %q", value, ref.File())
		}
		if _, err := os.Stat(ref.File()); ref.File() != "" && err == nil {
			return // what a fuzzer finds on this machine is not read
		}
		if secret, err := ref.Read(); err == nil && ref.File() == "" && ref.Env() == "" && secret.Reveal() != ref.text.Reveal() || err != nil && !problem.Is(err, problem.Config) {
			t.Errorf("%q: %v", value, err)
		}
	})
}
