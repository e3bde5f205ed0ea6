package e2e

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// config is an oci-auth.config.jsonc, as far as the tests need it.
type config struct {
	Domain   string `json:"domain_url"`
	Client   string `json:"client_id"`
	Secret   string `json:"client_secret,omitempty"`
	Key      string `json:"client_key,omitempty"`
	Redirect string `json:"redirect_uri"`
	Scope    string `json:"scope"`
	Endpoint string `json:"llm_base_url"`
	Method   string `json:"auth_method"`
	LogLevel string `json:"log_level"`
	LogFile  string `json:"log_file,omitempty"`
	CAFile   string `json:"ca_file,omitempty"`
	TLSCert  string `json:"tls_client_cert,omitempty"`
	TLSKey   string `json:"tls_client_key,omitempty"`

	TokenStore string         `json:"token_store,omitempty"`
	Endpoints  map[string]any `json:"endpoints,omitempty"`
}

// confidential is the configuration for an application of domain with a secret.
// Its redirect has a port of its own, so that tests can run side by side.
func confidential(t *testing.T, domain *domaintest.Server) config {
	redirect := domaintest.FreeRedirect()
	domain.AllowRedirect(domaintest.ConfidentialClient, redirect)
	return config{
		Domain: domain.URL, Client: domaintest.ConfidentialClient, Secret: domaintest.ConfidentialSecret,
		Redirect: redirect, Scope: "openid offline_access " + domaintest.DefaultScope,
		Endpoint: domain.LLMBaseURL, Method: "confidential_app", LogLevel: "VERBOSE",
	}
}

// mobile is the configuration for an application of domain without a secret.
func mobile(t *testing.T, domain *domaintest.Server) config {
	c := confidential(t, domain)
	c.Client, c.Secret, c.Method = domaintest.MobileClient, "", "mobile_app"
	domain.AllowRedirect(c.Client, c.Redirect)
	return c
}

// A computer is one person's: OpenCode with the plugin, configured or not, and a
// browser that only notes which addresses it was to open.
type computer struct {
	*opencode.Home
	t      *testing.T
	helper string
	limit  time.Duration // of one run of OpenCode; 0 for runLimit
	server *server       // what chats asks
	own    config        // of a project, with a domain and a log of its own

	version string // of OpenCode, for install
}

// preparing is held by the test that prepares a home: the first one of a version
// has OpenCode install what the others use.
var preparing sync.Mutex

// newComputer sets up a computer with a version of OpenCode and no configuration
// of the plugin.
func newComputer(t *testing.T, version string) *computer {
	t.Helper()
	root, err := opencode.Root()
	if err != nil {
		t.Fatal(err)
	}
	home, err := opencode.NewHome(tempDir(t), version)
	if errors.Is(err, opencode.ErrNotInstalled) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	c := &computer{Home: home, t: t, helper: helper(t, root)}
	t.Cleanup(c.isQuiet)

	preparing.Lock()
	defer preparing.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), prepareLimit)
	defer cancel()
	if err := c.Prepare(ctx, filepath.Join(root, "build", "e2e", "opencode-"+version)); err != nil {
		t.Fatal(err)
	}
	c.write(c.ConfigDir(), "opencode.json", map[string]any{
		"plugin": []string{"file://" + filepath.Join(root, "npm-shim")},
		"model":  "oci-oidc/" + domaintest.DefaultModel,
		"provider": map[string]any{"oci-oidc": map[string]any{
			"models": map[string]any{domaintest.DefaultModel: map[string]any{"name": "Stand-in"}},
		}},
	})
	browser := filepath.Join(c.Dir, "browser")
	if err := os.WriteFile(browser, []byte("#!/bin/sh\nprintf '%s\\n' \"$1\" >> \"$OPENED\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	// A seventh of the processor time of a start goes into the optimising compilers of
	// OpenCode's runtime, which pay off only later.
	c.Environ = append(c.Environ, "OCI_OIDC_HELPER="+c.helper, "BROWSER="+browser, "BUN_JSC_useDFGJIT=0")
	return c
}

// newConfiguredComputer is newComputer with a configuration for the person.
func newConfiguredComputer(t *testing.T, version string, config config) *computer {
	t.Helper()
	c := newComputer(t, version)
	if config.Secret != "" {
		file := filepath.Join(c.Dir, ".secrets", "client-secret")
		if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(config.Secret+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		config.Secret = "{file:~/.secrets/client-secret}"
	}
	c.write(c.ConfigDir(), "oci-auth.config.jsonc", config)
	return c
}

func (c *computer) write(dir, name string, content any) {
	c.t.Helper()
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// helper returns the path of the built helper.
func helper(t *testing.T, root string) string {
	t.Helper()
	path := os.Getenv("OCI_OIDC_HELPER")
	if path == "" {
		path = filepath.Join(root, "build", "oci-oidc-helper")
		if runtime.GOOS == "windows" {
			path += ".exe"
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no helper, run make build: %v", err)
	}
	return path
}

// tempDir is t.TempDir with a short name that has no digits: a message with certain
// numbers gives way to a fixed sentence, since OpenCode would take them for the status of
// an answer and retry.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "oci-oidc-"+randomLetters())
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// What was just killed may still be writing.
	t.Cleanup(func() { eventually(t, func() error { return os.RemoveAll(dir) }) })
	return dir
}

func randomLetters() string {
	letters := strings.NewReplacer("2", "U", "3", "V", "4", "W", "5", "X", "6", "Y", "7", "Z")
	return letters.Replace(rand.Text()[:10])
}

// signIn runs opencode auth login and waits for its good end; whatever the browser
// is told to open, somebody approves.
func (c *computer) signIn(label string, approve func(t *testing.T, login *run)) *run {
	c.t.Helper()
	login := c.start("auth", "login", "-p", "oci-oidc", "-m", label)
	approve(c.t, login)
	login.ends()
	login.says("Login successful")
	c.keepsNoTokenIn(c.AuthFile())
	return login
}

// byItself is for a stand-in that approves whoever opens the address: a browser
// with no person in front of it.
func byItself(t *testing.T, login *run) {
	t.Helper()
	approves(t, login.opens())
}

// approves opens an address at such a stand-in.
func approves(t *testing.T, address string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: runLimit}
	page, err := browser.Get(address)
	if err != nil {
		t.Fatalf("the browser: %v", err)
	}
	_ = page.Body.Close()
	if page.StatusCode != http.StatusOK {
		t.Fatalf("the browser ended on %s: %s", page.Request.URL.Path, page.Status)
	}
}

// typedCode is for the person who reads the code and approves it on a phone.
func typedCode(domain *domaintest.Server) func(*testing.T, *run) {
	return func(t *testing.T, login *run) {
		t.Helper()
		_, code := login.showsCode()
		if err := domain.ApproveDevice(code); err != nil {
			t.Fatalf("%v\n%s", err, login.output())
		}
	}
}

// asks runs opencode run to its end.
func (c *computer) asks(args ...string) *run {
	c.t.Helper()
	run := c.start(append([]string{"run"}, args...)...)
	run.ends()
	return run
}

// stdio runs the helper by itself, as a person can, and returns its answers.
func (c *computer) stdio(input string) (answers []string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), runLimit)
	defer cancel()
	command := exec.CommandContext(ctx, c.helper, "--stdio")
	command.Env, command.Dir, command.Stdin = c.Environ, c.Project, strings.NewReader(input)
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		c.t.Errorf("oci-oidc-helper --stdio: %v", err)
	}
	if stderr.Len() > 0 {
		c.t.Errorf("oci-oidc-helper --stdio says on stderr: %s", stderr.String())
	}
	return strings.Split(strings.TrimSuffix(stdout.String(), "\n"), "\n")
}

// helps runs the helper with a command, as a person at a prompt.
func (c *computer) helps(args ...string) (output string, err error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), runLimit)
	defer cancel()
	command := exec.CommandContext(ctx, c.helper, args...)
	command.Env, command.Dir = c.Environ, c.Project
	text, err := command.CombinedOutput()
	return string(text), err
}

// log is what the helper has written into its log.
func (c *computer) log() string {
	c.t.Helper()
	text, err := os.ReadFile(c.logFile())
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c *computer) logFile() string {
	return cmp.Or(c.own.LogFile, filepath.Join(c.Dir, "oci-oidc-debug.log"))
}
