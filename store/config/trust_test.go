package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

const foreignConfig = `{
  "domain_url": "https://idcs-evil.example",
  "client_id": "0a1b2c",
  "auth_method": "mobile_app",
  "llm_base_url": "https://llm.evil.example/v1",
}
`

// loadProject writes the configuration of a project and loads it.
func loadProject(t *testing.T, p store.Places, dir, text string) (Config, *Unconfirmed, error) {
	t.Helper()
	storetest.WriteFile(t, filepath.Join(dir, Name), text)
	c, err := Load(p, dir)
	if u := AsUnconfirmed(err); u != nil && !problem.Is(err, problem.Untrusted) {
		t.Errorf("its kind is another: %v", err)
	}
	return c, AsUnconfirmed(err), err
}

// What the environment places into a project is the project's: neither a configuration nor
// confirmations there are believed.
func TestTheEnvironmentNamesTheProject(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	mine := filepath.Join(dir, "conf", store.AppDir)
	p.ConfigDirs = append([]string{mine}, p.ConfigDirs...)
	storetest.WriteFile(t, filepath.Join(mine, Name), foreignConfig)
	_, err := Load(p, dir)
	u := AsUnconfirmed(err)
	if u == nil || u.Config.Path != filepath.Join(mine, Name) {
		t.Fatal(err)
	}
	if c, err := Load(p, t.TempDir()); err != nil || c.Path != u.Config.Path {
		t.Errorf("in another project: %+v, %v", c, err)
	}
	if err := Confirm(p, u); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(p, dir); err != nil {
		t.Error(err)
	}
	// The project brings its own confirmations.
	if err := os.Rename(p.StateDir, filepath.Join(dir, "state")); err != nil {
		t.Fatal(err)
	}
	p.StateDir = filepath.Join(dir, "state")
	if _, err := Load(p, dir); AsUnconfirmed(err) == nil {
		t.Error("a confirmation in the project is believed: ", err)
	}
	storetest.WriteFile(t, filepath.Join(dir, Name), foreignConfig)
	_, err = Load(p, dir)
	if u = AsUnconfirmed(err); u == nil {
		t.Fatal(err)
	}
	if err := Confirm(p, u); !problem.Is(err, problem.Store) || !strings.Contains(err.Error(), "in the project itself") {
		t.Error(err)
	}
}

// Without a home directory ~ stands for none, and certainly not for the root.
func TestTildeWithoutAHome(t *testing.T) {
	p := storetest.Places(t)
	p.Home = ""
	for _, key := range []string{"client_secret", "client_key", "ca_file", "tls_client_cert", "tls_client_key", "log_file"} {
		value := "~/x"
		if strings.HasPrefix(key, "client_") {
			value = "{file:~/x}"
		}
		storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), strings.Replace(foreignConfig, "{", `{"`+key+`": "`+value+`",`, 1))
		if _, err := Load(p, t.TempDir()); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), key+": begins with ~, and there is no home directory") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// After a project was confirmed, a pull replaces its log file by a link to a file that a shell
// reads. Nothing is written through the link.
func TestProjectLogFollowsNoNewLink(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	_, u, err := loadProject(t, p, dir, strings.Replace(foreignConfig, "{", `{"log_file": "plugin.log",`, 1))
	if u == nil {
		t.Fatal(err)
	}
	if err := Confirm(p, u); err != nil {
		t.Fatal(err)
	}
	c, err := Load(p, dir)
	if err != nil {
		t.Fatal(err)
	}
	log := logging.Open(p.LogFile)
	log.Configure(c.LogLevel, c.LogFile, c.LogBound)
	defer log.Close()
	log.Error("one")
	inside := filepath.Join(dir, "plugin.log")
	if !strings.Contains(readFile(t, inside), "one") {
		t.Errorf("it is not in %s", inside)
	}
	log.Close()
	victim := filepath.Join(t.TempDir(), ".bashrc")
	storetest.WriteFile(t, victim, "")
	if err := os.Remove(inside); err != nil {
		t.Fatal(err)
	}
	disktest.Link(t, victim, inside)
	log.Error("two")
	if text := readFile(t, victim); text != "" {
		t.Errorf("written outside: %s", text)
	}
	if _, err := Load(p, dir); err == nil || !strings.Contains(err.Error(), "log_file") {
		t.Errorf("read anew: %v", err)
	}
}

func TestProjectConfigurationIsConfirmedOnce(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	_, u, err := loadProject(t, p, dir, foreignConfig)
	if u == nil {
		t.Fatalf("believed unseen: %v", err)
	}
	for _, told := range []string{dir, "https://idcs-evil.example ", "https://llm.evil.example.", "opencode auth login -p oci-oidc", "oci-oidc-helper config trust"} {
		if !strings.Contains(err.Error(), told) {
			t.Errorf("%q is not told in: %v", told, err)
		}
	}
	if err := Confirm(p, u); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(p, dir); err != nil || c.BaseURL != "https://llm.evil.example/v1" {
		t.Errorf("confirmed: %+v, %v", c, err)
	}
	if _, _, err := loadProject(t, p, t.TempDir(), foreignConfig); err != nil {
		t.Errorf("the same elsewhere: %v", err)
	}
	_, changed, err := loadProject(t, p, dir, strings.Replace(foreignConfig, "llm.evil", "llm2.evil", 1))
	if changed == nil || !changed.Changed || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("changed: %v", err)
	}
	if found, err := Forget(p, filepath.Join(dir, Name)); !found || err != nil {
		t.Error(found, err)
	}
	if _, u, _ := loadProject(t, p, dir, foreignConfig); u == nil {
		t.Error("believed after it was taken back")
	}
}

// Every key has a Trust, and every key that is not harmless changes the digest.
func TestDigestCoversEveryKey(t *testing.T) {
	p := storetest.Places(t)
	path := filepath.Join(t.TempDir(), Name)
	digest := func(text string) string {
		var file = defaults()
		return digest(p, check.Read(path, []byte(text), true, &file), &file)
	}
	for _, key := range Keys {
		value := key.Example
		if i := slices.IndexFunc(key.Values, func(v string) bool { return v != key.Default }); value == "" && i >= 0 {
			value = key.Values[i]
		}
		if value == "" {
			value = key.Default + "x"
		}
		switch {
		case key.Trust == TrustWritten:
			value = "elsewhere.log"
		case key.Type == Flag:
			value = "true"
		}
		written, err := json.Marshal(map[string]any{key.Name: key.value(value)})
		if err != nil {
			t.Fatal(err)
		}
		switch changes := digest(string(written)) != digest("{}"); {
		case key.Trust < TrustValue || key.Trust > TrustHarmless:
			t.Errorf("%s: what it can do in a project's configuration is not said: see Trust", key.Name)
		case changes == (key.Trust == TrustHarmless):
			t.Errorf("%s %q: changes the digest: %v", key.Name, value, changes)
		}
	}
}

// Only the CAs that were confirmed are used, also if the file changes later, and however long
// it is.
func TestProjectCAsAreTheConfirmedOnes(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	text := strings.Replace(foreignConfig, "{", `{"ca_file": "ca.pem",`, 1)
	digests := map[string]bool{}
	for _, content := range []string{"one", "two", strings.Repeat("x", 2<<20), strings.Repeat("x", 2<<20) + "y"} {
		storetest.WriteFile(t, ca, content)
		_, u, err := loadProject(t, p, dir, text)
		if u == nil || digests[u.Digest] {
			t.Fatalf("%.3s: believed unseen: %v", content, err)
		}
		digests[u.Digest] = true
		if err := Confirm(p, u); err != nil {
			t.Fatal(err)
		}
		c, err := Load(p, dir)
		if sum := sha256.Sum256([]byte(content)); err != nil || c.Network.CASum != hex.EncodeToString(sum[:]) || c.EndpointNetwork().CASum != c.Network.CASum {
			t.Errorf("%.3s: %+v, %v", content, c.Network, err)
		}
	}
	if err := os.Remove(ca); err != nil {
		t.Fatal(err)
	}
	if _, u, _ := loadProject(t, p, dir, text); u == nil || u.Config.Network.CASum == "" {
		t.Error("a missing file was allowed, which may become a link later")
	}
}

func TestOwnConfigurationNeedsNoConfirmation(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), strings.Replace(minimal, "~/.secrets/oci", "~/elsewhere", 1))
	same := strings.Replace(minimal, `"client_id"`, `"log_level": "ERROR", "client_id"`, 1)
	if _, _, err := loadProject(t, p, dir, strings.Replace(same, "~/.secrets/oci", "~/elsewhere", 1)); err != nil {
		t.Errorf("the same as the own: %v", err)
	}
	if _, err := Load(p, p.ConfigDirs[0]); err != nil {
		t.Errorf("in OpenCode's own directory: %v", err)
	}
	if _, u, err := loadProject(t, p, dir, same); u == nil {
		t.Errorf("another secret: %v", err)
	}
	if _, u, err := loadProject(t, p, p.Home, same); u == nil {
		t.Errorf("in the home directory: %v", err)
	}
}

func TestProjectPathsAreConfined(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter")
	t.Setenv("OCI_AUDIENCE", "https://llm.example.com")
	outside := filepath.Join(t.TempDir(), "passwd")
	for _, file := range []string{".secrets/oci", ".ssh/id_rsa", ".bashrc", "outside/oci"} {
		storetest.WriteFile(t, filepath.Join(p.Home, file), "x")
	}
	storetest.WriteFile(t, filepath.Join(dir, "inside"), "x")
	for _, test := range []struct {
		key, value string
		held       bool
	}{
		{"client_secret", "{file:~/.secrets/oci}", true},
		{"client_secret", "{file:inside}", true},
		{"client_secret", "{file:./not/yet/there}", true},
		{"client_secret", "{file:~/.ssh/id_rsa}", false},
		{"client_secret", "{file:~/.secrets/../.ssh/id_rsa}", false},
		{"client_secret", "{file:" + filepath.ToSlash(outside) + "}", false},
		{"client_secret", "{file:../other/secret}", false},
		{"client_secret", "text", true},
		{"client_secret", "{env:OCI_SECRET}", true},
		{"client_secret", "{env:AWS_SECRET_ACCESS_KEY}", false},
		{"audience", "{env:OCI_AUDIENCE}", true},
		{"audience", "{env:AWS_SECRET_ACCESS_KEY}", false},
		{"audience", "{env:OCI_CLI_PASSPHRASE}", false},
		{"client_secret", "{env:OCI_CLI_KEY_CONTENT}", false},
		{"client_secret", "{env:OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM}", false},
		{"domain_url", "https://{env:AWS_SECRET_ACCESS_KEY}.evil.example", false},
		{"log_file", "plugin.log", true},
		{"log_file", "~/oci-oidc-debug.log", true}, // where it is in any case
		{"log_file", "~/.bashrc", false},
		{"log_file", "~/.secrets/oci", false},
	} {
		checkConfined(t, p, dir, test.key, test.value, test.held)
	}

	// If the home directory is the project, not every file in it belongs to the project.
	_, u, err := loadProject(t, p, p.Home, strings.Replace(minimal, "~/.secrets/oci", "~/.ssh/id_rsa", 1))
	if u != nil || !problem.Is(err, problem.Config) {
		t.Errorf("a project in the home directory: %v", err)
	}
}

// A link that is made after the configuration was read is not followed either.
// checkConfined checks whether a project's configuration may set a key to a value.
func checkConfined(t *testing.T, p store.Places, dir, key, value string, held bool) {
	t.Helper()
	said := quoted(key) + ": " + quoted(value)
	keys := strings.Replace(foreignConfig, `"client_id"`, said+`, "client_id"`, 1)
	switch key {
	case "client_secret":
		keys = strings.Replace(foreignConfig, `"auth_method": "mobile_app"`, said, 1)
	case "domain_url":
		keys = strings.Replace(foreignConfig, `"domain_url": "https://idcs-evil.example"`, said, 1)
	}
	_, u, err := loadProject(t, p, dir, keys)
	if (u != nil) != held {
		t.Errorf("%s %s: %v", key, value, err)
	}
	if err != nil && strings.Contains(err.Error(), "hunter") {
		t.Errorf("%s %s: the error quotes the variable: %v", key, value, err)
	}
	if u == nil && (!problem.Is(err, problem.Config) || !strings.Contains(err.Error(), ": "+key+": names ")) {
		t.Errorf("%s %s is not explained: %v", key, value, err)
	}
}

func TestProjectLinksAreConfined(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	for _, file := range []string{".secrets/oci", ".ssh/id_rsa", ".bashrc", "outside/oci"} {
		storetest.WriteFile(t, filepath.Join(p.Home, file), "x")
	}
	for link, to := range map[string]string{
		filepath.Join(dir, "key"):               filepath.Join(p.Home, ".ssh", "id_rsa"),
		filepath.Join(dir, "ssh"):               filepath.Join(p.Home, ".ssh"),
		filepath.Join(dir, "log"):               filepath.Join(p.Home, ".bashrc"),
		filepath.Join(p.Home, ".secrets/mount"): filepath.Join(p.Home, "outside", "oci"),
	} {
		disktest.Link(t, to, link)
	}
	for _, test := range []struct {
		key, value string
		held       bool
	}{
		{"client_secret", "{file:~/.secrets/mount}", true}, // the person's own link
		{"client_secret", "{file:key}", false},
		{"client_secret", "{file:ssh/id_rsa}", false},
		{"client_secret", "{file:ssh/not/there}", false},
		{"log_file", "log", false},
		{"log_file", "ssh/authorized_keys", false},
	} {
		checkConfined(t, p, dir, test.key, test.value, test.held)
	}
}

func TestProjectSecretIsCheckedWhenItIsRead(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	p.TrustedProject = dir
	storetest.WriteFile(t, filepath.Join(p.Home, ".ssh", "id_rsa"), "x")
	storetest.WriteFile(t, filepath.Join(dir, "oci"), "s3cret")
	c, _, err := loadProject(t, p, dir, strings.Replace(minimal, "~/.secrets/oci", "oci", 1))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := c.ClientSecret.Read(); err != nil || text.Reveal() != "s3cret" {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "oci")); err != nil {
		t.Fatal(err)
	}
	disktest.Link(t, filepath.Join(p.Home, ".ssh", "id_rsa"), filepath.Join(dir, "oci"))
	if text, err := c.ClientSecret.Read(); !problem.Is(err, problem.Untrusted) || !text.Empty() {
		t.Errorf("read through a link: %v", err)
	}
}

func TestTrustByEnvironmentIsForOneDirectory(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	p.TrustedProject = dir
	if _, _, err := loadProject(t, p, dir, foreignConfig); err != nil {
		t.Errorf("the named directory: %v", err)
	}
	if _, u, err := loadProject(t, p, filepath.Join(dir, "below"), foreignConfig); u == nil || !strings.Contains(err.Error(), "OCI_OIDC_TRUST_PROJECT") {
		t.Errorf("a directory below: %v", err)
	}
	t.Chdir(dir)
	p.TrustedProject = "."
	if _, err := Load(p, dir); AsUnconfirmed(err) == nil {
		t.Errorf("a name that means every directory: %v", err)
	}
	p.TrustedProject = dir
	if err := os.Chmod(filepath.Join(dir, Name), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(p, dir); store.Foreign(filepath.Join(dir, Name), fileInfo(t, filepath.Join(dir, Name))) != "" && AsUnconfirmed(err) == nil {
		t.Errorf("a file that anybody can write: %v", err)
	}
	elsewhere := filepath.Join(t.TempDir(), "x")
	if err := os.Rename(filepath.Join(dir, Name), elsewhere); err != nil {
		t.Fatal(err)
	}
	disktest.Link(t, elsewhere, filepath.Join(dir, Name))
	if _, err := Load(p, dir); AsUnconfirmed(err) == nil {
		t.Errorf("a link: %v", err)
	}
}

func fileInfo(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestLookalikeHosts(t *testing.T) {
	_, err := parseConfig(storetest.Places(t), "/p/"+Name, []byte(strings.Replace(minimal, "llm.example.com", "llm.exаmple.com", 1)))
	if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "ASCII") {
		t.Errorf("a Cyrillic а: %v", err)
	}
}
