package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// The helper needs no C library, so that it runs beside OpenCode's build for Alpine, too.
func TestAlpine(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newConfiguredComputer(t, opencode.Middle, confidential(t, domain))
	if err := me.UseMusl(); err != nil {
		t.Skipf("OpenCode's build for Alpine does not run here, without musl and Alpine's libstdc++ and libgcc: %v", err)
	}
	me.signInAtThePrompt()
	me.asks("hi").answers(greeting)
}

// A session lives in memory where the home is read-only, and every command says so.
func TestReadOnlyHome(t *testing.T) {
	t.Parallel()
	if output, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("mounts cannot be made here, so that no home is read-only: %v %s", err, output)
	}
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true, AutoApproveDevices: true})
	configuration := mobile(t, domain)
	me := newConfiguredComputer(t, opencode.Latest, configuration)
	before := me.everyFile()

	for command, says := range map[string]string{
		"connect": "The tokens could not be saved in " + filepath.Join(me.Dir, ".local/state/opencode-oci-oidc"),
		"status":  "The tokens could not be saved",
		"doctor":  "opencode-oci-oidc cannot be made.",
	} {
		output, err := me.readOnly(t.Context(), command).CombinedOutput()
		if err == nil || !strings.Contains(string(output), says) {
			t.Errorf("oci-oidc-helper %s: %v\n%s\nwant %q", command, err, output, says)
		}
	}

	// As the plugin does: it signs in, and has tokens until it ends.
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	helper := me.readOnly(ctx, "--stdio")
	input, errIn := helper.StdinPipe()
	output, errOut := helper.StdoutPipe()
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(output)
	ask := func(method, params string) (answer struct {
		ID     int
		Result struct {
			AccessToken string
			SignedIn    bool
			Problem     struct{ Kind, Message string }
		}
		Error any
	}) {
		_, _ = fmt.Fprintf(input, `{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`+"\n", method, params)
		for answers.Scan() {
			if json.Unmarshal(answers.Bytes(), &answer) == nil && answer.ID == 1 {
				return answer
			}
		}
		t.Fatalf("no answer to %s: %v", method, answers.Err())
		return answer
	}
	ask("connect", `{"flow":"device","openBrowser":false}`)
	first := ask("getToken", "{}").Result.AccessToken
	ask("refresh", "{}")
	second := ask("getToken", "{}").Result.AccessToken
	if first == "" || second == "" || first == second {
		t.Errorf("tokens of %d and %d bytes, the same: %v", len(first), len(second), first == second)
	}
	status := ask("status", "{}").Result
	if !status.SignedIn || status.Problem.Kind != "store" || !strings.Contains(status.Problem.Message, "read-only file system") {
		t.Errorf("status %+v", status)
	}
	_ = input.Close()
	if err := helper.Wait(); err != nil {
		t.Error(err)
	}
	if after := me.everyFile(); after != before {
		t.Errorf("files before:\n%s\nand after:\n%s", before, after)
	}
}

// readOnly is a command of the helper to which the home is read-only.
func (c *computer) readOnly(ctx context.Context, args ...string) *exec.Cmd {
	const mount = `mount --bind "$HOME" "$HOME" && mount -o remount,ro,bind "$HOME" && cd "$HOME" && exec "$@"`
	command := exec.CommandContext(ctx, "unshare", append([]string{"-m", "sh", "-c", mount, "sh", c.helper}, args...)...)
	command.Env, command.Dir = c.Environ, c.Project
	return command
}

// everyFile lists what is below the home.
func (c *computer) everyFile() string {
	c.t.Helper()
	output, err := exec.Command("find", c.Dir, "-printf", "%p %s %T@\n").Output()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(output)
}

// A container has a home of its own and the directory of the tokens from outside:
// whoever refreshes, both go on, also where files cannot be locked.
func TestMountedSession(t *testing.T) {
	t.Parallel()
	for _, locks := range []bool{true, false} {
		t.Run(fmt.Sprintf("with locks %t", locks), func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true, AutoApproveDevices: true})
			configuration := confidential(t, domain)
			state := "XDG_STATE_HOME=" + tempDir(t)
			laptop, container := newConfiguredComputer(t, opencode.Latest, configuration), newConfiguredComputer(t, opencode.Latest, configuration)
			laptop.Environ, container.Environ = append(laptop.Environ, state), append(container.Environ, state, "CI=true")
			must := func(c *computer, command string) string {
				t.Helper()
				output, err := c.helps(command)
				if err != nil {
					t.Fatalf("oci-oidc-helper %s: %v\n%s", command, err, output)
				}
				return output
			}
			(&setting{browser: plainBrowser}).signIn(t, laptop)
			if !locks {
				unlockable(t, strings.TrimPrefix(state, "XDG_STATE_HOME="))
			}
			if must(laptop, "token") != must(container, "token") {
				t.Error("the container has another token")
			}
			for range 3 {
				other := make(chan error)
				go func() {
					output, err := container.helps("refresh")
					if err != nil {
						err = fmt.Errorf("%w\n%s", err, output)
					}
					other <- err
				}()
				must(laptop, "refresh")
				if err := <-other; err != nil {
					t.Errorf("a refresh beside another: %v", err)
				}
				if must(laptop, "token") != must(container, "token") {
					t.Error("after a refresh the tokens differ")
				}
			}
			if locks {
				serve := container.serves()
				container.chats("oci-oidc").answers(greeting)
				must(laptop, "logout")
				container.restartsHelper()
				refused := container.chats("oci-oidc")
				refused.says("/connect")
				refused.saysNot("retrying")
				if opened, _ := os.ReadFile(serve.opened); len(opened) > 0 {
					t.Errorf("a browser was opened in CI: %s", opened)
				}
				login := container.start("auth", "login", "-p", "oci-oidc", "-m", withBrowser)
				login.says("this is a CI job")
				if opened, _ := os.ReadFile(login.opened); len(opened) > 0 {
					t.Errorf("a browser was opened in CI: %s", opened)
				}
			}
		})
	}
}

// unlockable makes the lock something that cannot be locked, as on a file system
// without locks.
func unlockable(t *testing.T, state string) {
	t.Helper()
	locks, err := filepath.Glob(filepath.Join(state, "opencode-oci-oidc", "*.lock"))
	if err != nil || len(locks) == 0 {
		t.Fatalf("no locks below %s: %v", state, err)
	}
	for _, lock := range locks {
		if err := os.Remove(lock); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(lock, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}
