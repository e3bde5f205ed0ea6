package store

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"domain_url":"https://idcs.example","client_id":"c","auth_method":"mobile_app","llm_base_url":"https://llm.example/v1"} // end`))
	f.Add([]byte("\xef\xbb\xbf{\"client_secret\":\"{file:~/x}\",}"))
	f.Add([]byte(`{"domain_url": /* open`))
	f.Add([]byte(minimal))
	f.Add([]byte(`{"client_id": "x", "client_id": [1, {"a": null}]} // end`))
	places := testPlaces(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := places.parseConfig("/p/"+ConfigName, text)
		if err != nil {
			if p := problem.From(err); p.Kind != problem.Config || !strings.HasPrefix(p.Message, "/p/"+ConfigName) || p.Hint == "" {
				t.Errorf("%+v", p)
			}
			return
		}
		for _, address := range []string{config.DomainURL, config.BaseURL} {
			u, err := url.Parse(address)
			if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
				t.Errorf("taken: %q", address)
			}
		}
		for _, redirect := range config.RedirectURIs {
			if u, err := url.Parse(redirect); err != nil || !isLoopback(u.Hostname()) {
				t.Errorf("taken: redirect %q", redirect)
			}
		}
		if config.ClientID == "" || config.Scope == "" || len(config.RedirectURIs) == 0 || !filepath.IsAbs(config.LogFile) || !filepath.IsAbs(places.TokenFile(config).Path()) {
			t.Errorf("taken: %+v", config)
		}
	})
}

func FuzzSecretRef(f *testing.F) {
	for _, seed := range []string{"the secret itself", "{file:~/.secrets/x}", "{file:", "{file: }", "{env:X}", "<your-secret>", "{file:../../x}", "{file:/a\x00b}"} {
		f.Add(seed)
	}
	home := f.TempDir()
	places := Places{Home: home}
	f.Fuzz(func(t *testing.T, value string) {
		c := &configCheck{path: filepath.Join(home, "project", ConfigName)}
		ref := places.secretRef(c, "client_secret", value)
		if (len(c.lines) > 0) != ref.None() && value != "" {
			t.Errorf("%q: %v, %v", value, c.lines, ref)
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

func FuzzTokens(f *testing.F) {
	f.Add([]byte(`{"version":1,"accessToken":"a","refreshToken":"r","issuedAt":"2026-01-01T00:00:00Z","expiresAt":"2026-01-01T01:00:00Z","endpoints":{"token":"https://x/"}}`))
	f.Add([]byte(`{"version":99}`))
	f.Add([]byte(`{"version":1,"accessToken":"a\r\nX: y","expiresAt":"2026-01-01T01:00:00Z"}`))
	file := Places{StateDir: f.TempDir()}.TokenFile(Config{DomainURL: "https://x"})
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, _, err := file.parse(text)
		if err != nil {
			if !errors.Is(err, errDamaged) && !errors.Is(err, errNewer) {
				t.Error(err)
			}
			return
		}
		if strings.ContainsAny(tokens.Access.Reveal(), "\r\n\x00") || tokens.Access.Empty() {
			t.Errorf("taken: %q", tokens.Access.Reveal())
		}
		if tokens.ExpiresAt.Year() > 9999 || tokens.IssuedAt.Year() > 9999 {
			return // JSON cannot write it again
		}
		if _, err := file.Save(tokens); err != nil {
			t.Fatal(err)
		}
		again, _, err := file.Load()
		if err != nil || again.Access != tokens.Access || again.Refresh != tokens.Refresh || !again.ExpiresAt.Equal(tokens.ExpiresAt) || again.Endpoints != tokens.Endpoints {
			t.Errorf("%v: not what was saved", err)
		}
	})
}
