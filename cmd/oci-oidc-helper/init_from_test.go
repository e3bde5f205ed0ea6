package main

import (
	"bytes"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

// A publisher serves a configuration.
type publisher struct {
	at   string
	text atomic.Pointer[[]byte]
}

func newPublisher(t *testing.T) *publisher {
	p := &publisher{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*p.text.Load()) }))
	t.Cleanup(server.Close)
	p.at = server.URL + "/oci-auth.config.jsonc"
	return p
}

func (p *publisher) has(keys map[string]string, more ...string) {
	values := maps.Clone(keys)
	for i := 0; i < len(more); i += 2 {
		values[more[i]] = more[i+1]
	}
	text := config.Format(values)
	p.text.Store(&text)
}

// With one pasted command, a person gets the configuration that the company publishes. It is
// shown, checked against the domain, and replaces nothing of theirs without asking. doctor
// warns if a newer one is published.
func TestInitFromAPublishedConfiguration(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	company := newPublisher(t)
	company.has(c.keys)
	own := c.path(".config/opencode/oci-auth.config.jsonc")

	before, err := os.ReadFile(own)
	c.check(err)
	company.has(c.keys, "audience", "https://llm.example.com")
	_, said, code := c.run("init", "--from", company.at)
	for _, part := range []string{"send tokens to     " + strings.TrimSuffix(c.server.LLMBaseURL, "/v1"), `"audience": "https://llm.example.com"`, "It differs from " + own + " in: audience", "There is the configuration already"} {
		if code != exitUsage || !strings.Contains(said, part) {
			t.Errorf("beside a configuration: exit code %d, no %q: %s", code, part, said)
		}
	}
	if after, err := os.ReadFile(own); err != nil || !bytes.Equal(before, after) {
		t.Errorf("it was overwritten: %s, %v", after, err)
	}

	c.remove(own[len(c.home)+1:])
	company.has(c.keys, "client_id", "another")
	if _, said, code := c.run("init", "--from", company.at); code == exitOK || !strings.Contains(said, "another") {
		t.Errorf("an application that the domain does not know: exit code %d: %s", code, said)
	}
	company.has(c.keys, "client_secret", "{file:~/.ssh/id_ed25519}")
	if _, said, code := c.run("init", "--from", company.at, "--force"); code != exitUsage || !strings.Contains(said, "client_secret: names") {
		t.Errorf("another file: exit code %d: %s", code, said)
	}
	if _, err := os.Stat(own); err == nil {
		t.Fatal("something was written")
	}

	company.has(c.keys)
	c.mustRun("init", "--from", company.at)
	shown := c.mustRun("config", "show")
	for _, part := range []string{`"$from": "` + company.at + `"`, `"client_id": "` + domaintest.ConfidentialClient + `"`, strings.ReplaceAll(c.path(".secrets/app"), `\`, `\\`)} {
		if !strings.Contains(shown, part) {
			t.Errorf("no %s in %s", part, shown)
		}
	}
	if said, _, _ := c.run("doctor"); !strings.Contains(said, "as published at "+company.at) {
		t.Errorf("doctor: %s", said)
	}
	company.has(c.keys, "audience", "https://llm.example.com")
	if said, _, _ := c.run("doctor"); !strings.Contains(said, company.at+" says otherwise than "+own+": audience.") || !strings.Contains(said, "init --from "+company.at) {
		t.Errorf("doctor, of another one: %s", said)
	}
	nothing := []byte("{")
	company.text.Store(&nothing)
	if said, _, _ := c.run("doctor"); !strings.Contains(said, "The published configuration could not be compared: "+company.at) {
		t.Errorf("doctor, of a broken one: %s", said)
	}
	c.keys["$from"] = "https://publisher.invalid/x"
	c.configure()
	c.run("doctor", "--bundle", c.path("bundle.txt"))
	if text, err := os.ReadFile(c.path("bundle.txt")); err != nil || !strings.Contains(string(text), "[publisher]") || strings.Contains(string(text), "publisher.invalid") {
		t.Errorf("the bundle tells the publisher: %v\n%s", err, text)
	}
}

// Over a person's own configuration: the published keys replace theirs, those that are not
// published stay, and so does their secret for the same application. The address may be an
// https one with a certificate of the company's CA, or a file.
func TestInitFromKeepsWhatIsNotPublished(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	company := newPublisher(t)
	own := c.path(".config/opencode/oci-auth.config.jsonc")
	from := []string{company.at, c.path("published.jsonc")}
	if runtime.GOOS == "linux" { // elsewhere Go asks the system alone which CAs it trusts
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*company.text.Load()) }))
		t.Cleanup(server.Close)
		c.write("company-ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
		c.setenv("SSL_CERT_FILE", c.path("company-ca.pem"))
		from = append(from, server.URL+"/oci-auth.config.jsonc")
	}
	mine := maps.Clone(c.keys)
	mine["log_level"], mine["login_hint"], mine["audience"], mine["client_key_id"] = "DEBUG", "maria@example.com", "mine", ""
	company.has(c.keys, "client_secret", "{file:~/.secrets/of-the-company}", "audience", "https://llm.example.com")
	c.write("published.jsonc", string(*company.text.Load()))
	for _, at := range from {
		c.write(".config/opencode/oci-auth.config.jsonc", string(config.Format(mine)))
		_, said, code := c.run("init", "--from", at, "--force")
		if code != exitOK || !strings.Contains(said, "It differs from "+own+" in: audience.") || !strings.Contains(said, "What else you have set stays as it is: login_hint, log_level.") {
			t.Errorf("from %s: exit code %d: %s", at, code, said)
		}
		text, err := os.ReadFile(own)
		c.check(err)
		written := check.Values(text)
		for key, want := range map[string]string{
			"log_level": "DEBUG", "login_hint": "maria@example.com", "audience": "https://llm.example.com",
			"client_secret": c.keys["client_secret"], "$from": strings.TrimPrefix(at, c.path("published.jsonc")),
		} {
			if written[key] != want {
				t.Errorf("from %s: %s is %q, want %q", at, key, written[key], want)
			}
		}
	}
	company.has(c.keys, "client_secret", "{file:~/.secrets/of-the-company}", "client_id", domaintest.MobileClient)
	if _, said, code := c.run("init", "--from", company.at, "--force"); code == exitOK || !strings.Contains(said, "missing: --secret-file") {
		t.Errorf("the secret of another application is kept: exit code %d: %s", code, said)
	}
}

// A published secret, or one that the person must enter, is saved in its own file and never
// shown.
func TestInitFromPutsTheSecretIntoItsOwnFile(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	company := newPublisher(t)
	for name, row := range map[string]struct {
		published, given string
		flags            []string
	}{
		"in the published one":   {published: domaintest.ConfidentialSecret},
		"from standard input":    {published: "{file:~/.secrets/company}", given: domaintest.ConfidentialSecret, flags: []string{"--secret-stdin"}},
		"nobody has it":          {published: "{file:~/.secrets/company}"},
		"in a person's variable": {published: "{env:OCI_OIDC_SECRET_OF_NOBODY}"},
	} {
		c.remove(".config/opencode/oci-auth.config.jsonc")
		c.remove(".secrets/oci-client-secret")
		company.has(c.keys, "client_secret", row.published)
		helper := c.helper(append([]string{"init", "--from", company.at}, row.flags...)...)
		var out bytes.Buffer
		helper.Stdin, helper.Stdout, helper.Stderr = strings.NewReader(row.given), &out, &out
		err := helper.Run()
		if strings.Contains(out.String(), domaintest.ConfidentialSecret) {
			t.Errorf("%s: it is shown: %s", name, out.String())
		}
		written, _ := os.ReadFile(c.path(".config/opencode/oci-auth.config.jsonc"))
		secret, _ := os.ReadFile(c.path(".secrets/oci-client-secret"))
		if row.given == "" && strings.HasPrefix(row.published, "{") {
			if err == nil || written != nil || secret != nil || !strings.Contains(out.String(), "missing: --secret-file or --secret-stdin") {
				t.Errorf("%s: %v: %s", name, err, out.String())
			}
			continue
		}
		if err != nil || !strings.Contains(string(written), `"client_secret": "{file:~/.secrets/oci-client-secret}"`) || strings.TrimSpace(string(secret)) != domaintest.ConfidentialSecret {
			t.Errorf("%s: %v: %s\n%s", name, err, out.String(), written)
		}
	}
}

// At a terminal, init does not ask for what the administrator manages or the company
// publishes, and does not write what is managed into the person's file.
func TestInitAsksOnlyWhatIsUndecided(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("on Windows a managed configuration has to belong to the administrators, and a test's file belongs to its user")
	}
	keys := map[string]string{
		"domain_url": "https://company.example.com", "client_id": "company", "auth_method": "mobile_app",
		"llm_base_url": "https://llm.example.com/v1", "scope": "openid company", "token_store": "file", "redirect_uri": "http://localhost:1/",
	}
	questions := map[string]string{
		"domain_url": "Domain URL", "client_id": "Client ID", "auth_method": "Kind of application", "llm_base_url": "Endpoint, ",
		"scope": "Scope;", "redirect_uri": "Redirect URL", "token_store": "Save the tokens",
	}
	run := func(managed map[string]string, n *newConfig, answers ...string) (said string, written map[string]string, err error) {
		p := storetest.Places(t)
		p.ManagedDir, p.Administrator = t.TempDir(), os.Geteuid()
		text := strings.Replace(string(config.Format(managed)), "{\n", "{\n\"managed\": true,\n", 1)
		storetest.WriteFile(t, filepath.Join(p.ManagedDir, config.Name), text)
		var out bytes.Buffer
		n.app, n.offline, n.cmd = newApp(p), true, &cobra.Command{}
		n.cmd.SetContext(t.Context())
		n.cmd.SetErr(&out)
		n.asker = newAsker(t.Context(), strings.NewReader(strings.Join(answers, "\n")+"\n"), &out)
		err = n.run()
		file, _ := os.ReadFile(filepath.Join(p.ConfigDirs[0], config.Name))
		return out.String(), check.Values(file), err
	}

	order := []string{"domain_url", "auth_method", "client_id", "llm_base_url", "scope", "redirect_uri", "token_store"}
	for _, one := range append(order, "") { // each managed alone, and none
		managed, answers := map[string]string{}, []string{}
		for _, key := range order {
			if key == one {
				managed[key] = keys[key]
			} else {
				answers = append(answers, keys[key])
			}
		}
		said, written, err := run(managed, &newConfig{values: map[string]string{}}, append(answers, "")...)
		if err != nil {
			t.Fatalf("%s is managed: %v\n%s", one, err, said)
		}
		for _, key := range order {
			if asked := strings.Contains(said, questions[key]); asked == (key == one) {
				t.Errorf("%s is managed: %s was asked for: %t\n%s", one, key, asked, said)
			}
			if _, ok := written[key]; ok == (key == one) {
				t.Errorf("%s is managed, and written: %v", one, written)
			}
		}
	}

	// The administrator manages everything, so the flags have no effect.
	said, written, err := run(keys, &newConfig{values: map[string]string{"client_id": "mine"}}, "")
	if err != nil || !strings.Contains(said, "--client-id has no effect") || len(written) != 1 || slices.ContainsFunc(order, func(key string) bool { return strings.Contains(said, questions[key]) }) {
		t.Errorf("all is managed: %v, %v\n%s", written, err, said)
	}

	// The published configuration is shown, and the person may decline it.
	company := newPublisher(t)
	company.has(keys, "audience", "x")
	for _, answer := range []string{"y", "n"} {
		said, written, err := run(map[string]string{"client_id": "managed"}, &newConfig{values: map[string]string{}, from: company.at}, answer)
		if strings.Count(said, "(y/N)") != 1 || strings.Contains(said, questions["scope"]) || !strings.Contains(said, "client_id has no effect in "+company.at) {
			t.Errorf("asked: %s", said)
		}
		if yes := answer == "y"; yes != (err == nil) || yes && (written["$from"] != company.at || written["audience"] != "x" || written["client_id"] != "") || !yes && len(written) != 0 {
			t.Errorf("answered %s: %v, %v", answer, written, err)
		}
	}
}

// If the domain of a published configuration does not answer, init asks once whether to keep
// the configuration.
func TestInitFromAnUnreachableDomain(t *testing.T) {
	t.Parallel()
	company := newPublisher(t)
	company.has(map[string]string{"domain_url": "http://127.0.0.1:1", "client_id": "x", "auth_method": "mobile_app", "llm_base_url": "http://127.0.0.1:1/v1"})
	p := storetest.Places(t)
	var out bytes.Buffer
	n := &newConfig{app: newApp(p), values: map[string]string{}, from: company.at, cmd: &cobra.Command{}}
	n.cmd.SetContext(t.Context())
	n.cmd.SetErr(&out)
	n.asker = newAsker(t.Context(), strings.NewReader("y\nn\n"), &out)
	if err := n.run(); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Count(out.String(), "Keep it all the same?") != 1 {
		t.Errorf("%v\n%s", err, out.String())
	}
	if _, err := os.Stat(filepath.Join(p.ConfigDirs[0], config.Name)); err == nil {
		t.Error("something was written")
	}
}

func newApp(p store.Places) *app { return &app{places: p, log: logging.Open("")} }

// An address that is taken for the name of a file is not shown: it may have a password in it.
func TestInitShowsNoPasswordOfAnAddress(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	for _, from := range []string{
		"ada:pass4711@host.example/x.jsonc", "//ada:pass4711@host.example/x", "https:/ada:pass4711@host.example/x", "https//ada:pass4711@host.example/x",
		"https://ada:pass4711@host.example/x", "https://ada:pa#ss4711@host.example/x", "git@ada4711.example:repo.git",
	} {
		_, said, code := c.run("init", "--from", from, "--offline")
		if code != exitUsage || strings.Contains(said, "s4711") || strings.Contains(said, "ada4711") {
			t.Errorf("%s: exit code %d: %s", from, code, said)
		}
	}
}
