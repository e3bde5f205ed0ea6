package config

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

// publishes serves one text at /oci-auth.config.jsonc.
func publishes(t *testing.T, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
	t.Cleanup(server.Close)
	return server.URL + "/" + Name
}

// A published configuration means the same as one that the person writes with the same values.
func TestPublishedConfiguration(t *testing.T) {
	p := storetest.Places(t)
	text := `{ // the company's
	"auth_method": "confidential_app", "domain_url": "https://company.example.com", "client_id": "app", "client_secret": "{file:~/.secrets/app}",
	"redirect_uri": ["http://localhost:1/", "http://127.0.0.1:2/"], "scope": "openid x", "resource": ["https://a.example", "https://b.example"],
	"max_age": 60, "strict_id_token": true, "extra_params": {"ui_locales": "de"}, "ca_file": "~/company.pem", "token_store": "keyring",
	"llm_base_url": "https://llm.example.com/v1", "endpoints": {"qwen": {"base_url": "https://q.example/v1", "name": "Qwen"}}, }`
	file := filepath.Join(t.TempDir(), "company.jsonc")
	storetest.WriteFile(t, file, text)
	for _, from := range []string{publishes(t, text), file} {
		published, err := ReadPublished(t.Context(), p, from, network.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		written, err := parseConfig(p, from, Format(published.Values))
		if err != nil {
			t.Fatal(err)
		}
		if !written.Equal(published.Config) {
			t.Errorf("from %s: written %+v\npublished %+v", from, written, published.Config)
		}
	}
}

// A published configuration can do no more than a project's, and can name no file by a path.
func TestPublishedConfigurationIsRefused(t *testing.T) {
	p := storetest.Places(t)
	for _, row := range []struct{ more, want string }{
		{`"client_secret": "{file:~/.ssh/id_ed25519}"`, "2: client_secret: names "},
		{`"client_secret": "{file:opencode.json}"`, "2: client_secret: names opencode.json, which is relative to this file"},
		{`"client_secret": "{file:../../.secrets/app}"`, "which is relative to this file"},
		{`"client_secret": "{env:AWS_SECRET_ACCESS_KEY}"`, "2: client_secret: "},
		{`"client_key": "{file:~/.ssh/id_ed25519}"`, "2: client_key: names "},
		{`"client_secret": "x", "tls_client_cert": "/etc/ssl/private/a.pem"`, "2: tls_client_cert: names "},
		{`"client_secret": "x", "ca_file": "company.pem"`, "2: ca_file: names company.pem, which is relative"},
		{`"client_secret": "x", "log_file": "~/.bashrc"`, "2: log_file: names "},
		{`"client_secret": "x", "log_file": ".bashrc"`, "2: log_file: names "},
		{`"client_secret": "x", "allow_agent_token": true`, "2: allow_agent_token: is for your own configuration alone"},
		{`"client_secret": "x", "managed": true`, "2: managed: is for the administrator's file alone"},
		{`"client_secret": "x", "client_id": "other"`, "client_id"},
		{`"client_secret": "x", "colour": "red"`, "2: colour: unknown key"},
		{`"client_secret": "x", "$from": "http://elsewhere.example/x"`, "2: $from: is http: for elsewhere.example"},
	} {
		text := `{"domain_url": "https://company.example.com", "client_id": "app", "llm_base_url": "https://llm.example.com/v1",` + "\n" + row.more + "}"
		from := publishes(t, text)
		_, err := ReadPublished(t.Context(), p, from, network.Settings{})
		if err == nil || !strings.Contains(err.Error(), from+":") || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "Tell whoever publishes it") {
			t.Errorf("%s: %v", row.more, err)
		}
	}
}

// A published configuration that names a file of the person is refused, whichever key names
// it.
func TestPublishedConfigurationNamesNoFilesOfThePerson(t *testing.T) {
	p := storetest.Places(t)
	for _, key := range Keys {
		path := filepath.Join(p.Home, "diary")
		value := map[Trust]string{TrustSecret: "{file:" + path + "}", TrustSecretFile: path, TrustWritten: path}[key.Trust]
		if value == "" {
			continue
		}
		values := map[string]string{"domain_url": "https://company.example.com", "client_id": "app", "llm_base_url": "https://llm.example.com/v1"}
		if key.Trust != TrustSecret {
			values["client_secret"], values["tls_client_cert"] = "x", "~/.secrets/cert.pem"
		}
		values[key.Name] = value
		_, err := ReadPublished(t.Context(), p, publishes(t, string(Format(values))), network.Settings{})
		if err == nil || !strings.Contains(err.Error(), key.Name+": names "+path) {
			t.Errorf("%s: %v", key.Name, err)
		}
	}
}

// A published configuration is fetched from the origin that was named, over TLS or from this
// machine, and its size is limited.
func TestAddressOfAPublishedConfiguration(t *testing.T) {
	p := storetest.Places(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another origin was asked") }))
	t.Cleanup(elsewhere.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/right", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, wholeConfig("company")) })
	mux.Handle("/moved", http.RedirectHandler("/right", http.StatusFound))
	mux.Handle("/away", http.RedirectHandler(elsewhere.URL+"/right", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in</html>") })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for _, err := w.Write([]byte("{")); err == nil; {
			_, err = w.Write(make([]byte, 1<<16))
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for from, want := range map[string]string{
		server.URL + "/right":                              "",
		server.URL + "/moved":                              "",
		server.URL + "/away":                               "redirects to " + elsewhere.URL,
		server.URL + "/loop":                               "redirects to ",
		server.URL + "/page":                               "expected { and the configuration's keys",
		server.URL + "/endless":                            "is larger than 1048576 bytes",
		server.URL + "/none":                               "answered with status 404",
		server.URL + "/right?x=1":                          "has a query",
		"http://company.example.com/oci-auth.config.jsonc": "is http: for company.example.com, which anybody on the way can read and change",
		"https://me:pw@company.example.com/a":              "holds a user name or password",
		"ftp://company.example.com/a":                      "is not a web address",
		filepath.Join(p.Home, "none.jsonc"):                "none.jsonc",
		p.Home:                                             "is a directory",
	} {
		published, err := ReadPublished(t.Context(), p, from, network.Settings{})
		switch {
		case want == "" && (err != nil || published.Config.ClientID != "company"):
			t.Errorf("%s: %+v, %v", from, published, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw@")):
			t.Errorf("%s: %v", from, err)
		}
	}
}

// wholeConfig is a valid configuration with these keys besides.
func wholeConfig(name string, more ...string) string {
	return fmt.Sprintf(`{"auth_method": "mobile_app", "domain_url": "https://%s.example.com", "client_id": "%s", "llm_base_url": "https://%s-llm.example.com/v1"%s}`,
		name, name, name, strings.Join(append([]string{""}, more...), ", "))
}
