package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// openCodeForWindows is the version that e2e/install-opencode-windows downloads. 1.18.33 was not
// published for Windows.
const openCodeForWindows = "1.18.32"

// TestOpenCodeForWindowsUnderWine: a person's day with the real opencode.exe and the
// packages as npm installs them on Windows.
func TestOpenCodeForWindowsUnderWine(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true, FamilyRevocation: true})
	mine := confidential(t, domain)
	w := newWindows(t, mine)
	w.installOpenCode()

	calm.Lock()
	output, err := w.opencode("auth", "login", "-p", "oci-oidc", "-m", withBrowser)
	calm.Unlock()
	if err != nil || !strings.Contains(output, "Login successful") {
		t.Fatalf("sign-in: %v\n%s", err, output)
	}
	w.answered("hi")
	if output, err := w.opencode("models", "oci-oidc"); err != nil || !strings.Contains(output, "oci-oidc/"+domaintest.DefaultModel) {
		t.Errorf("models: %v\n%s", err, output)
	}

	w.expire()
	w.answered("hi")
	domain.RevokeAccessTokens()
	_, before := bearers(domain)
	w.answered("--title", "greeting", "hi")
	tokens, statuses := bearers(domain)
	if now := statuses[len(before):]; !slices.Equal(now, []int{http.StatusUnauthorized, http.StatusOK}) || tokens[len(before)] == tokens[len(before)+1] {
		t.Errorf("after the revocation the endpoint answered %v", now)
	}
	if got, want := strings.Join(grantTypes(domain), " "), "authorization_code refresh_token refresh_token"; got != want {
		t.Errorf("token requests %q, want %q", got, want)
	}

	w.attempts(domain, mine)
	w.killed(domain)
}

// installOpenCode installs the plugin's packages for Windows with npm, and enters the
// plugin into OpenCode's configuration.
func (w *foreign) installOpenCode() {
	t := w.t
	t.Helper()
	root, err := opencode.Root()
	check(t, err)
	program := filepath.Join(root, "build", "opencode-windows", "opencode-"+openCodeForWindows+".exe")
	if _, err := os.Stat(program); err != nil {
		t.Skip("there is no opencode.exe " + openCodeForWindows + " (e2e/install-opencode-windows says why): the plugin was not run in OpenCode for Windows")
	}
	check(t, os.Symlink(program, filepath.Join(w.dir, "opencode.exe")))
	w.build(filepath.Join(w.dir, "browser.exe"), "./testdata/browser")

	dist := filepath.Join(w.dir, "dist")
	check(t, os.Mkdir(dist, 0o700))
	for name, content := range map[string]any{
		"dist/metadata.json":  map[string]string{"version": release},
		"dist/artifacts.json": []map[string]string{{"type": "Binary", "path": w.program, "goos": "windows", "goarch": "amd64"}},
		"package.json":        map[string]bool{"private": true},
	} {
		text, err := json.Marshal(content)
		check(t, err)
		check(t, os.WriteFile(filepath.Join(w.dir, name), text, 0o600))
	}
	w.npm("node", filepath.Join(root, "npm-shim", "packaging", "pack.js"), dist)
	packed, err := filepath.Glob(filepath.Join(dist, "npm", "*.tgz"))
	check(t, err)
	w.npm(append([]string{"npm", "install", "--offline", "--force", "--ignore-scripts", "--no-audit", "--no-fund", "--os=win32", "--cpu=x64"}, packed...)...)

	// OpenCode installs @opencode-ai/plugin beside a configuration unless that has a lock
	// file with it.
	settings := filepath.Join(w.dir, "config", "opencode")
	types := map[string]string{"@opencode-ai/plugin": openCodeForWindows}
	for name, content := range map[string]any{
		"package.json":      map[string]any{"dependencies": types},
		"package-lock.json": map[string]any{"lockfileVersion": 3, "packages": map[string]any{"": map[string]any{"dependencies": types}}},
		"opencode.json": map[string]any{
			"plugin": []string{"file:///" + strings.ReplaceAll(w.path("node_modules/opencode-oci-oidc"), `\`, "/")},
			"model":  "oci-oidc/" + domaintest.DefaultModel, "permission": "allow",
			"provider": map[string]any{"oci-oidc": map[string]any{"models": map[string]any{domaintest.DefaultModel: map[string]any{"tool_call": true}}}},
		},
	} {
		text, err := json.Marshal(content)
		check(t, err)
		check(t, os.WriteFile(filepath.Join(settings, name), text, 0o600))
	}
	check(t, os.Mkdir(filepath.Join(settings, "node_modules"), 0o700))
	check(t, os.MkdirAll(filepath.Join(w.dir, "cache", "opencode"), 0o700))
	check(t, os.WriteFile(filepath.Join(w.dir, "cache", "opencode", "models.json"), []byte("{}"), 0o600))
}

func (w *foreign) npm(command ...string) {
	w.t.Helper()
	npm := exec.Command(command[0], command[1:]...)
	npm.Dir = w.dir
	if output, err := npm.CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %v\n%s", command, err, output)
	}
}

func (w *foreign) openCodeCommand(args ...string) *exec.Cmd {
	command := w.command(filepath.Join(w.dir, "opencode.exe"), args...)
	command.Env = append(command.Env,
		"XDG_DATA_HOME="+w.path("data"), "XDG_CACHE_HOME="+w.path("cache"), "BROWSER="+w.path("browser.exe"), "NO_COLOR=1",
		"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1", "OPENCODE_DISABLE_DEFAULT_PLUGINS=1", "OCI_OIDC_HELPER=", "SHELL=") // the shell of this machine is none for Windows
	return command
}

// opencode runs OpenCode to its end.
func (w *foreign) opencode(args ...string) (string, error) {
	output, err := w.openCodeCommand(args...).CombinedOutput()
	return plain(string(output)), err
}

// answered has OpenCode ask the endpoint, and fails the test unless that greets the person.
func (w *foreign) answered(args ...string) {
	w.t.Helper()
	if output, err := w.opencode(append([]string{"run"}, args...)...); err != nil || !strings.Contains(output, greeting) {
		w.t.Errorf("opencode run %q: %v\n%s", args, err, output)
	}
}

// attempts lets an agent try to get at the session with commands for cmd, which OpenCode
// uses where there is no PowerShell. Under wine no command of its was seen to have an
// effect, so that the denials are looked at, not what the commands did.
func (w *foreign) attempts(domain *domaintest.Server, mine config) {
	t := w.t
	t.Helper()
	tokens := w.path(filepath.Join("state", "opencode-oci-oidc", filepath.Base(w.tokens())))
	own := filepath.Join(w.dir, "config", "opencode", "oci-auth.config.jsonc")
	before, err := os.ReadFile(own)
	check(t, err)
	attempts := []string{
		"type " + tokens,
		`type %XDG_STATE_HOME%\opencode-oci-oidc\*.json`,
		`copy "` + tokens + `" stolen.json & type stolen.json`,
		`echo x>> %XDG_CONFIG_HOME%\opencode\oci-auth.config.jsonc`,
		`type %XDG_CONFIG_HOME%\opencode\oci-auth.config.jsonc`, // it holds the secret
		w.path("oci-oidc-helper.exe") + " token",
		`..\oci-oidc-helper.exe token`,
	}
	agent := &agent{}
	for _, command := range append(attempts, "go build ./...") {
		agent.calls = append(agent.calls, []call{{"bash", args{"command": command, "description": "x"}}})
	}
	domain.Change(func(o *domaintest.Options) { o.Chat = agent.chat })
	defer domain.Change(func(o *domaintest.Options) { o.Chat = nil })
	if output, err := w.opencode("run", "--title", "x", "go on"); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if len(agent.answers) != len(attempts)+1 {
		t.Fatalf("%d answers of %d commands: %q", len(agent.answers), len(attempts)+1, agent.answers)
	}
	for i, command := range attempts {
		denied := func(reason string) bool { return strings.Contains(agent.answers[i], reason) }
		if !slices.ContainsFunc([]string{"opencode-oci-oidc keeps", "opencode-oci-oidc cannot tell whether", "is for the person"}, denied) {
			t.Errorf("%s: %s", command, agent.answers[i])
		}
	}
	if last := agent.answers[len(attempts)]; strings.Contains(last, "opencode-oci-oidc") {
		t.Errorf("an ordinary command: %s", last)
	}
	for _, answer := range agent.answers {
		if strings.Contains(answer, mine.Secret) || strings.Contains(answer, "eyJ") || strings.Contains(answer, "AQIDBA") {
			t.Error("an answer holds a secret")
		}
	}
	if after, err := os.ReadFile(own); err != nil || string(after) != string(before) {
		t.Errorf("the person's configuration was changed (%v):\n%s", err, after)
	}
}

// killed kills OpenCode while a request waits for its answer, as the Task Manager does: the
// helper ends by itself.
func (w *foreign) killed(domain *domaintest.Server) {
	t := w.t
	t.Helper()
	domain.FailAlways(domaintest.Chat, domaintest.Fault{Kind: domaintest.Stall})
	before := domain.Count(domaintest.Chat)
	command := w.openCodeCommand("run", "--title", "x", "hi")
	check(t, command.Start())
	check(t, domain.WaitFor(t.Context(), domaintest.Chat, before+1))
	helpers := func() (running []string) {
		for _, p := range processes() {
			if strings.Contains(p.arguments, filepath.Base(w.dir)) && strings.Contains(p.arguments, "oci-oidc-helper.exe\x00--stdio") {
				running = append(running, p.id)
			}
		}
		return running
	}
	if len(helpers()) != 1 {
		t.Fatalf("processes of the helper while OpenCode waits: %v", helpers())
	}
	check(t, command.Process.Kill())
	_ = command.Wait()
	for len(helpers()) > 0 {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		<-time.After(pollEvery)
	}
}
