package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A foreign is the program for another platform, run by wine or qemu, with one person's
// files. Wine shows the files of this machine as the disk Z:.
type foreign struct {
	t            *testing.T
	goos, goarch string
	runner       string // wine or qemu
	program, dir string // of this machine
}

// newWindows builds the program, or skips the test where e2e/install-wine has made no wine.
func newWindows(t *testing.T, config config) *foreign {
	t.Helper()
	wine, err := filepath.Abs("../build/wine/wine")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(wine); err != nil {
		t.Skip("there is no wine (e2e/install-wine says why): the program for Windows was compiled and vetted, not run")
	}
	return newForeign(t, config, &foreign{goos: "windows", goarch: "amd64", runner: wine})
}

func newForeign(t *testing.T, config config, w *foreign) *foreign {
	t.Helper()
	dir := tempDir(t)
	w.t, w.dir, w.program = t, dir, filepath.Join(dir, "oci-oidc-helper.exe")
	w.build(w.program, "../cmd/oci-oidc-helper")
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{
		filepath.Join(dir, "config", "opencode", "oci-auth.config.jsonc"): text,
		filepath.Join(dir, "project", "README"):                           nil,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *foreign) build(program, of string) {
	w.t.Helper()
	build := exec.Command("go", "build", "-o", program, of)
	build.Env = append(os.Environ(), "GOOS="+w.goos, "GOARCH="+w.goarch, "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, output)
	}
}

// path is how the program's system names a file of the person's.
func (w *foreign) path(name string) string {
	if w.goos != "windows" {
		return filepath.Join(w.dir, name)
	}
	return `Z:` + strings.ReplaceAll(filepath.Join(w.dir, name), "/", `\`)
}

func (w *foreign) command(program string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(w.t.Context(), runLimit)
	w.t.Cleanup(cancel)
	command := exec.CommandContext(ctx, w.runner, append([]string{program}, args...)...)
	command.Dir = filepath.Join(w.dir, "project")
	command.Env = append(os.Environ(), "CI=false", "XDG_CONFIG_HOME="+w.path("config"), "XDG_STATE_HOME="+w.path("state"))
	if w.goos != "windows" { // wine has one of its own
		command.Env = append(command.Env, "HOME="+w.dir)
	}
	return command
}

// run runs the helper to its end.
func (w *foreign) run(stdin string, args ...string) (string, error) {
	command := w.command(w.program, args...)
	command.Stdin = strings.NewReader(stdin)
	output, err := command.CombinedOutput()
	return string(output), err
}

// must runs the helper, and fails the test if it does.
func (w *foreign) must(args ...string) string {
	w.t.Helper()
	output, err := w.run("", args...)
	if err != nil {
		w.t.Fatalf("%v: %v\n%s", args, err, output)
	}
	return strings.TrimSpace(output)
}

// TestWindowsProgramUnderWine: a sign-in with a code, a token, a status and a
// conversation, as Windows shows them.
func TestWindowsProgramUnderWine(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApproveDevices: true})
	w := newWindows(t, confidential(t, domain))
	if version := w.must("version"); !strings.Contains(version, "windows-amd64") {
		t.Errorf("version: %s", version)
	}
	w.must("connect", "--flow", "device")
	if token := w.must("token"); strings.Count(token, ".") != 2 {
		t.Errorf("token: %d characters that are no token", len(token))
	}
	if status := w.must("status"); !strings.Contains(status, w.path("config")) {
		t.Errorf("status: %s", status)
	}
	answer, err := w.run(`{"jsonrpc":"2.0","id":1,"method":"status"}`+"\n", "--stdio")
	if err != nil || !strings.Contains(answer, `"id":1,"result":`) || !strings.Contains(answer, `opencode-oci-oidc\\plugin.log`) {
		t.Errorf("--stdio: %v\n%s", err, answer)
	}
	w.must("logout")
	if _, err := w.run("", "token"); err == nil {
		t.Error("there is a token after the sign-out")
	}
}

// TestManyWindowsProgramsRefreshOnce: refresh tokens serve once, and twelve programs find
// the access token expired at the same moment, four times.
func TestManyWindowsProgramsRefreshOnce(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApproveDevices: true, FamilyRevocation: true})
	w := newWindows(t, confidential(t, domain))
	w.must("connect", "--flow", "device")
	w.storms(domain, 4)
}

// calm is held by tests under wine that keep its one server busy, and by those in which the
// product's own limits of time are near.
var calm sync.Mutex

// storms has twelve programs at once find the access token expired, some times.
func (w *foreign) storms(domain *domaintest.Server, rounds int) {
	t := w.t
	t.Helper()
	calm.Lock()
	defer calm.Unlock()
	for round := range rounds {
		w.expire()
		before := domain.Count(domaintest.Token)
		var (
			together sync.WaitGroup
			tokens   [12]string
		)
		for i := range tokens {
			together.Go(func() {
				output, err := w.run("", "token")
				if err != nil {
					t.Errorf("round %d: %v\n%s", round, err, output)
				}
				tokens[i] = output
			})
		}
		together.Wait()
		if requests := domain.Count(domaintest.Token) - before; requests != 1 {
			t.Errorf("round %d: %d requests", round, requests)
		}
		for _, token := range tokens {
			if token != tokens[0] {
				t.Errorf("round %d: there are several tokens", round)
				break
			}
		}
	}
}

// TestATokenFileThatAnotherProgramHolds, without letting it be replaced, for as long as a
// scanner or a backup may, or that is read-only: the refresh waits, and no session is lost.
func TestATokenFileThatAnotherProgramHolds(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApproveDevices: true, FamilyRevocation: true})
	w := newWindows(t, confidential(t, domain))
	holder := filepath.Join(w.dir, "holder.exe")
	w.build(holder, "./testdata/holder")
	w.must("connect", "--flow", "device")
	before := domain.Count(domaintest.Token)

	calm.Lock()
	defer calm.Unlock()
	w.expire()
	hold := w.command(holder, w.path(filepath.Join("state", "opencode-oci-oidc", filepath.Base(w.tokens()))), "4s")
	said, err := hold.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	release, err := hold.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || !strings.HasPrefix(line, "held") {
		t.Fatalf("the file is not held: %q, %v", line, err)
	}
	var (
		refresh sync.WaitGroup
		first   string
	)
	refresh.Go(func() { first, err = w.run("", "token") })
	if err := domain.WaitFor(t.Context(), domaintest.Token, before+1); err != nil {
		t.Fatal(err)
	}
	_ = release.Close() // four seconds from now the file can be replaced
	refresh.Wait()
	if err != nil {
		t.Errorf("held for 4 s: %v\n%s", err, first)
	}
	if err := hold.Wait(); err != nil {
		t.Error(err)
	}
	w.same(domain, first, before+1)

	w.expire()
	if err := os.Chmod(w.tokens(), 0o400); err != nil {
		t.Fatal(err)
	}
	w.same(domain, w.must("token"), before+2)
}

// same checks that another program has the same token, and that the domain was asked no
// more than that.
func (w *foreign) same(domain *domaintest.Server, token string, requests int) {
	w.t.Helper()
	if again := w.must("token"); again != strings.TrimSpace(token) {
		w.t.Error("another program has another token")
	}
	if n := domain.Count(domaintest.Token); n != requests {
		w.t.Errorf("%d requests for tokens, want %d", n, requests)
	}
}

// tokens is the file with the saved tokens.
func (w *foreign) tokens() string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "state", "opencode-oci-oidc", "????????????????????????????????*.json"))
	if err != nil || len(files) != 1 {
		w.t.Fatalf("files with tokens: %q, %v", files, err)
	}
	return files[0]
}

// expire makes the saved access token one that has expired.
func (w *foreign) expire() {
	w.t.Helper()
	var saved map[string]any
	text, err := os.ReadFile(w.tokens())
	if err == nil {
		err = json.Unmarshal(text, &saved)
	}
	if err == nil {
		saved["issuedAt"], saved["expiresAt"] = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"
		text, err = json.Marshal(saved)
	}
	if err == nil {
		err = store.Replace(w.tokens(), text)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
