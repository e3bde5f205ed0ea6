package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// secrets are values that nobody but their owner may see, with what they are.
type secrets map[string]string

func (s secrets) add(kind, value string) {
	// Anything shorter may stand somewhere by chance.
	if len(value) >= 12 {
		s[value], s[url.QueryEscape(value)] = kind, kind
	}
}

// secretsOf collects the tokens, secrets, codes and verifiers that the stand-in
// has received, and those that the computer keeps.
func secretsOf(t *testing.T, domain *domaintest.Server, c *computer) secrets {
	t.Helper()
	found := secrets{}
	for _, request := range domain.Requests(domaintest.Token) {
		for _, name := range []string{"code", "code_verifier", "device_code", "refresh_token", "client_secret", "client_assertion"} {
			found.add(name, request.Form.Get(name))
		}
	}
	for _, operation := range []domaintest.Operation{domaintest.Token, domaintest.Device, domaintest.Revoke, domaintest.Chat} {
		for _, request := range domain.Requests(operation) {
			scheme, credentials, _ := strings.Cut(request.Header.Get("Authorization"), " ")
			found.add(scheme+" credentials", credentials)
			if decoded, err := base64.StdEncoding.DecodeString(credentials); scheme == "Basic" && err == nil {
				_, secret, _ := strings.Cut(string(decoded), ":")
				found.add("client_secret", secret)
			}
		}
	}
	for _, file := range c.tokenFiles() {
		var saved map[string]any
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &saved)
		}
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range saved {
			if text, ok := value.(string); ok && strings.HasSuffix(key, "Token") {
				found.add("saved "+key, text)
			}
		}
	}
	return found
}

// in returns the kinds of the secrets that text contains.
func (s secrets) in(text string) (kinds []string) {
	for value, kind := range s {
		if strings.Contains(text, value) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// tokenFiles are where the tokens are kept.
func (c *computer) tokenFiles() []string {
	files, _ := filepath.Glob(filepath.Join(c.Dir, ".local", "state", "opencode-oci-oidc", "*.json"))
	return slices.DeleteFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && !strings.Contains(string(text), c.own.Domain)
	})
}

// expiresTokens has the saved access tokens end long ago, without a wait.
func (c *computer) expiresTokens() {
	c.t.Helper()
	for _, file := range c.tokenFiles() {
		text, err := os.ReadFile(file)
		check(c.t, err)
		old := regexp.MustCompile(`("(?:issuedAt|expiresAt|savedAt)": *")\d+`).ReplaceAll(text, []byte("${1}2020"))
		if bytes.Equal(old, text) {
			c.t.Fatalf("%s has no time to change", file)
		}
		check(c.t, store.Replace(file, old))
	}
}

// keepsNoTokenIn fails the test if a saved token, or anything like one, is in file.
func (c *computer) keepsNoTokenIn(file string) {
	c.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	if strings.Contains(string(text), "eyJ") || strings.Contains(string(text), "AQIDBA") {
		c.t.Errorf("%s holds a token: %s", file, text)
	}
	if len(c.tokenFiles()) == 0 {
		c.t.Error("no tokens are saved in the helper's own place")
	}
}

// A process is what any other process of the same user can see of one.
type process struct {
	id        string
	arguments string
	environ   string
}

// processes returns those of the machine, as far as /proc shows them.
func processes() (all []process) {
	directories, _ := filepath.Glob("/proc/[0-9]*")
	for _, directory := range directories {
		arguments, err := os.ReadFile(filepath.Join(directory, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(directory, "environ"))
		if err == nil && len(arguments) > 0 {
			all = append(all, process{filepath.Base(directory), string(arguments), string(environ)})
		}
	}
	return all
}

// watch notes the processes of the computer, again and again, until the returned
// function is called, which returns them.
func (c *computer) watch() (stop func() []process) {
	ctx, cancel := context.WithCancel(c.t.Context())
	seen := make(chan []process)
	go func() {
		var all []process
		known := map[process]bool{}
		for ctx.Err() == nil {
			for _, p := range processes() {
				// A helper shows its environment to nobody but the administrator.
				if !known[p] && (c.runs(p) || p.environ == "" && strings.Contains(p.arguments, "oci-oidc-helper\x00--stdio")) {
					known[p] = true
					all = append(all, p)
				}
			}
			time.Sleep(pollEvery)
		}
		seen <- all
	}()
	return func() []process {
		cancel()
		return <-seen
	}
}

// runs reports whether p is a process of this computer.
func (c *computer) runs(p process) bool { return strings.Contains(p.environ, "HOME="+c.Dir+"\x00") }

// isQuiet fails the test if something still runs on the computer a while after
// everything has ended.
func (c *computer) isQuiet() {
	deadline := time.Now().Add(runLimit)
	for {
		var left []string
		for _, p := range processes() {
			if c.runs(p) {
				left = append(left, p.id+" "+strings.ReplaceAll(p.arguments, "\x00", " "))
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			c.t.Errorf("still running:\n%s", strings.Join(left, "\n"))
			return
		}
		time.Sleep(pollEvery)
	}
}

func TestNoSecretIsShownAnywhere(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	configuration := confidential(t, domain)
	configuration.Secret = "a secret of this run: " + t.TempDir()
	domain.Change(func(o *domaintest.Options) { o.Clients[0].Secret = configuration.Secret })
	me := newConfiguredComputer(t, opencode.Latest, configuration)

	// Every step that handles a secret: both ways to sign in, a token from memory
	// and from disk, a rejected one, a refresh, and one that the domain refuses.
	stop := me.watch()
	all := secrets{}
	var outputs []*run
	note := func(r *run) {
		outputs = append(outputs, r)
		for value, kind := range secretsOf(t, domain, me) {
			all[value] = kind
		}
	}
	note(me.signIn(withCode, typedCode(domain)))
	note(me.signIn(withBrowser, byItself))
	serve := me.serves("--print-logs", "--log-level", "DEBUG")
	note(me.chats("oci-oidc"))
	served := me.tellsOthers()
	me.restartsHelper()
	domain.RevokeAccessTokens()
	note(me.chats("oci-oidc"))
	me.restartsHelper()
	domain.RevokeAccessTokens()
	domain.RevokeRefreshTokens()
	note(me.chats("oci-oidc"))
	seen := stop()
	outputs = append(outputs, serve.run)

	kinds := map[string]bool{}
	for _, kind := range all {
		kinds[kind] = true
	}
	for _, kind := range []string{"code", "code_verifier", "device_code", "refresh_token", "client_secret",
		"Bearer credentials", "Basic credentials", "saved accessToken", "saved refreshToken"} {
		if !kinds[kind] {
			t.Errorf("this run had no %s: what is searched for is incomplete", kind)
		}
	}
	for _, r := range outputs {
		if told := all.in(r.all.String()); told != nil {
			t.Errorf("the output of opencode %v tells %v", r.args, told)
		}
	}
	for path, text := range served {
		if told := all.in(text); told != nil {
			t.Errorf("opencode serve tells %v at %s", told, path)
		}
	}
	all.inNoFileOf(t, me)
	if runtime.GOOS == "linux" {
		all.inNoProcess(t, seen)
	}
}

// tellsOthers is what OpenCode's server tells about its configuration to whoever asks,
// by path.
func (c *computer) tellsOthers() map[string]string {
	c.t.Helper()
	served := map[string]string{}
	for _, path := range []string{"/config", "/config/providers", "/provider", "/provider/auth"} {
		resp, err := http.Get(c.server.address + path + "?directory=" + url.QueryEscape(c.Project))
		if err != nil {
			c.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), "oci-oidc") {
			c.t.Errorf("%s: %s, %v, %.300s", path, resp.Status, err, text)
		}
		served[path] = string(text)
	}
	return served
}

// inNoFileOf searches everything that the run has left on the computer, but the
// files that are there to keep a secret.
func (s secrets) inNoFileOf(t *testing.T, c *computer) {
	t.Helper()
	keeping := map[string]bool{filepath.Join(c.Dir, ".secrets", "client-secret"): true}
	for _, file := range c.tokenFiles() {
		keeping[file] = true
	}
	log := ""
	err := filepath.WalkDir(c.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || keeping[path] {
			return err
		}
		text, err := os.ReadFile(path)
		if told := s.in(string(text)); told != nil {
			t.Errorf("%s tells %v", strings.TrimPrefix(path, c.Dir), told)
		}
		if filepath.Base(path) == "oci-oidc-debug.log" {
			log = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(log) < 500 {
		t.Errorf("the log is suspiciously short: %q", log)
	}
}

// inNoProcess searches the arguments and the environment of processes.
func (s secrets) inNoProcess(t *testing.T, seen []process) {
	t.Helper()
	helpers := 0
	for _, p := range seen {
		if strings.Contains(p.arguments, "oci-oidc-helper\x00--stdio") {
			helpers++
		}
		if told := s.in(p.arguments + p.environ); told != nil {
			t.Errorf("the process %q tells %v", p.arguments, told)
		}
	}
	if helpers < 5 {
		t.Errorf("%d helpers were seen in 5 runs: processes are not watched well", helpers)
	}
}

// bearers returns the access tokens that came to the endpoint, in their order,
// with the status of the answers.
func bearers(domain *domaintest.Server) (tokens []string, statuses []int) {
	for _, request := range domain.Requests(domaintest.Chat) {
		tokens = append(tokens, strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer "))
		statuses = append(statuses, request.Status)
	}
	return tokens, statuses
}
