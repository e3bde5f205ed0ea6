//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// The commands that a signal meets, and what they ask the domain for.
var signalled = []struct {
	args    []string
	asks    domaintest.Operation
	grant   string               // of a token request
	spends  bool                 // a refresh token
	waits   domaintest.Operation // before anything is asked for; "" for the session's lock
	atOnce  bool                 // gives up a request that is under way
	endedBy []syscall.Signal
}{
	{[]string{"token"}, domaintest.Token, "", true, "", false, ending},
	{[]string{"refresh"}, domaintest.Token, "", true, "", false, ending},
	{[]string{"doctor"}, domaintest.Token, "", true, "", false, ending},
	{[]string{"connect"}, domaintest.Token, "authorization_code", false, domaintest.Authorize, true, ending},
	{[]string{"status"}, domaintest.Discovery, "", false, domaintest.Discovery, true, ending},
	{[]string{"--stdio"}, domaintest.Token, "", true, "", false, []syscall.Signal{syscall.SIGTERM}},
}

var ending = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// Each signal is sent to each command at each step of a request whose answer comes only once.
// The session is kept, except if a process is killed after it sent its refresh token and
// before it saved the next one.
func TestSignals(t *testing.T) {
	const before, waiting, answered = "before sending", "while waiting", "after the answer"
	inheritNothing(t)
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !testing.Short() {
		signals = append(signals, syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGKILL)
	}
	for _, command := range signalled {
		t.Run(command.args[0], func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			for _, moment := range []string{before, waiting, answered} {
				for _, sent := range signals {
					name := fmt.Sprintf("%s, %s", moment, sent)
					c.remove("state/opencode-oci-oidc")
					c.remove("oci-oidc-debug.log")
					c.signIn()
					form := command.grant
					if command.spends {
						c.expire()
						form = c.savedTokens().Refresh.Reveal() // the doctor sends others, to see whether it may
					}
					unlock := func() {}
					stop := &stopped{op: command.asks, form: form, half: moment == answered, reached: make(chan struct{}), goOn: make(chan struct{})}
					if moment == before {
						if stop.op, stop.form = command.waits, ""; command.waits == "" {
							unlock = c.lock()
						}
					}
					c.server.Change(func(o *domaintest.Options) { o.Tamper = stop.tamper })
					p := c.begin(command.args...)
					if moment == before && command.waits == "" {
						p.waitsForLock()
					} else {
						p.until(stop.reached)
					}
					c.check(p.Process.Signal(sent))
					ends := slices.Contains(command.endedBy, sent)
					switch {
					case sent == syscall.SIGKILL, ends && (moment == before || command.atOnce):
						p.ends() // with nothing released
					case ends && command.args[0] != "--stdio":
						p.says("Waiting for the domain's answer")
					}
					unlock()
					close(stop.goOn)
					if !ends && sent != syscall.SIGKILL { // it takes no notice
						p.answers()
					}
					p.finish()
					switch status := p.ProcessState.Sys().(syscall.WaitStatus); {
					case sent == syscall.SIGKILL:
						if !status.Signaled() {
							t.Errorf("%s: not killed: %v", name, p.ProcessState)
						}
					case ends && command.args[0] != "--stdio":
						if status.ExitStatus() != exitSignal+int(sent) || !strings.Contains(p.stderr.text(), "was stopped by a signal ("+sent.String()+")") {
							t.Errorf("%s: %v: %s", name, p.ProcessState, p.stderr.text())
						}
					default:
						if status.ExitStatus() != exitOK || strings.Contains(p.stderr.text(), "signal") {
							t.Errorf("%s: %v: %s", name, p.ProcessState, p.stderr.text())
						}
					}
					c.server.Change(func(o *domaintest.Options) { o.Tamper = nil })
					if moment == before && command.spends && ends && slices.Contains(c.refreshTokens(), form) {
						t.Errorf("%s: the refresh token was sent", name)
					}
					if sent == syscall.SIGKILL && command.spends && moment != before {
						c.isLost(name)
					} else {
						c.isKept(name)
					}
				}
			}
		})
	}
}

// When OpenCode has ended, its helper waits for another process only for a limited time.
func TestStdioEndsSoonAfterItsInput(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	c.expire()
	unlock := c.lock()
	p := c.begin("--stdio")
	p.waitsForLock()
	c.check(p.stdin.Close())
	c.check(p.Process.Signal(syscall.SIGTERM))
	p.ends()
	if code := p.ProcessState.ExitCode(); code != exitOK || !strings.Contains(p.stdout.text(), `"id":1,"error"`) {
		t.Errorf("%v: %s", p.ProcessState, p.stdout.text())
	}
	unlock()
	if n := len(c.refreshTokens()); n > 0 {
		t.Error("the refresh token was sent")
	}
	c.isKept("ended")
}

// A signal arrives at each system call by which tokens are saved.
func TestSignalsWhileSaving(t *testing.T) {
	needStrace(t)
	inheritNothing(t)
	for _, command := range signalled {
		if command.asks != domaintest.Token {
			continue
		}
		t.Run(command.args[0], func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			c.setenv("GOMAXPROCS", "1") // strace counts the calls of each thread by themselves
			sent := func() bool { return true }
			run := func(inject string, calls ...string) (p *process, trace string) {
				c.remove("state/opencode-oci-oidc")
				c.signIn()
				if command.spends {
					c.expire()
				}
				mine := c.savedTokens().Refresh.Reveal()
				sent = func() bool { return slices.Contains(c.refreshTokens(), mine) }
				p = c.beginAs(append([]string{"strace", "-f", "-qq", "-o", c.path("trace"), "-e", "trace=" + strings.Join(calls, ","),
					"-e", "inject=" + strings.Join(calls, ",") + ":signal=" + inject, filepath.Join(helperDir(t), "oci-oidc-helper")}, command.args...)...)
				if command.args[0] == "--stdio" && !strings.HasPrefix(inject, "KILL") {
					p.answers()
				}
				p.finish()
				text, _ := os.ReadFile(c.path("trace"))
				return p, string(text)
			}
			for _, sent := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE} {
				name := strings.TrimPrefix(unix.SignalName(sent), "SIG")
				p, trace := run(name, "fsync", "renameat")
				if n := strings.Count(trace, "--- SIG"+name); n == 0 {
					t.Errorf("%s came %d times: %s", name, n, trace)
				}
				code := p.ProcessState.ExitCode()
				if ok := code == exitOK || code == exitSignal+int(sent) && slices.Contains(command.endedBy, sent); !ok {
					t.Errorf("%s: %v: %s", name, p.ProcessState, p.stderr.text())
				}
				c.isKept(name)
			}
			kills := map[string]int{}
			for _, call := range []string{"fsync", "renameat", "unlinkat"} {
				for killed := true; killed; kills[call]++ {
					p, _ := run(fmt.Sprintf("KILL:when=%d", kills[call]+1), call)
					killed = p.ProcessState.ExitCode() != exitOK
					name := fmt.Sprintf("killed at %s %d", call, kills[call]+1)
					if !command.spends || !sent() || c.savedTokens().Access.Reveal() != "over" {
						c.isKept(name)
					} else {
						c.isLost(name)
					}
				}
			}
			t.Logf("runs, the last one whole: %v", kills)
			// The number of further calls depends on the scheduling of threads.
			if min(kills["fsync"], kills["renameat"]) < 2 {
				t.Error("the tokens were never being saved")
			}
		})
	}
}

// A command that got new tokens and could not save them says so and fails.
func TestUnsavedTokensAreReported(t *testing.T) {
	needStrace(t)
	for _, args := range []string{"token", "refresh", "connect"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			c.expire()
			mine := c.savedTokens().Refresh.Reveal()
			// The saved tokens replace the draft that reserved their space.
			p := c.beginAs("strace", "-f", "-qq", "-o", c.path("trace"), "-e", "trace=pwrite64", "-e", "inject=pwrite64:error=EIO",
				filepath.Join(helperDir(t), "oci-oidc-helper"), args)
			p.finish()
			if code := p.ProcessState.ExitCode(); code != exitProblem || !strings.Contains(p.stderr.text(), "could not be saved in ") || !strings.Contains(p.stderr.text(), "input/output error") {
				t.Errorf("exit code %d: %s", code, p.stderr.text())
			}
			if args == "token" && !strings.HasPrefix(p.stdout.text(), "eyJ") {
				t.Errorf("the token that there is was not printed: %s", p.stdout.text())
			}
			if args == "connect" {
				c.isKept("the session before")
			} else if !slices.Contains(c.refreshTokens(), mine) {
				t.Error("nothing was sent")
			} else if !strings.Contains(p.stderr.text(), "sign in again") {
				t.Errorf("it is not said what to do: %s", p.stderr.text())
			}
		})
	}
}

func needStrace(t *testing.T) {
	t.Helper()
	if said, err := exec.Command("strace", "-qq", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("there is no strace that works, to meddle with given calls (e2e/install-tools installs it): %v %s", err, said)
	}
}

// inheritNothing makes the helpers get every signal, even if the tests were started by nohup or
// in the background.
func inheritNothing(t *testing.T) {
	for _, s := range ending {
		if signal.Ignored(s) {
			came := make(chan os.Signal, 1)
			signal.Notify(came, s)
			t.Cleanup(func() { signal.Stop(came); signal.Ignore(s) })
		}
	}
}

// A program that reads the output, such as head, ends during a refresh. The session is kept.
func TestReaderLeavesDuringARefresh(t *testing.T) {
	for _, row := range []struct {
		args   string
		closed string // of the outputs
		code   int
	}{
		{"-v token", "stderr", exitOK},
		{"-v token", "stdout stderr", exitProblem},
		{"-v refresh", "stdout stderr", exitOK},
		{"-v doctor", "stdout stderr", exitProblem},
		{"--stdio", "stdout stderr", exitOK},
	} {
		t.Run(row.args+", "+row.closed, func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			c.expire()
			stop := &stopped{op: domaintest.Token, form: c.savedTokens().Refresh.Reveal(), reached: make(chan struct{}), goOn: make(chan struct{})}
			c.server.Change(func(o *domaintest.Options) { o.Tamper = stop.tamper })
			p := c.prepare(append([]string{filepath.Join(helperDir(t), "oci-oidc-helper")}, strings.Fields(row.args)...)...)
			reader, writer, err := os.Pipe()
			c.check(err)
			p.Stderr = writer
			if strings.Contains(row.closed, "stdout") {
				p.Stdout = writer
			}
			p.start()
			c.check(writer.Close())
			p.until(stop.reached)
			c.check(reader.Close())
			close(stop.goOn)
			p.finish()
			if code := p.ProcessState.ExitCode(); code != row.code {
				t.Errorf("%v, want exit code %d", p.ProcessState, row.code)
			}
			c.server.Change(func(o *domaintest.Options) { o.Tamper = nil })
			c.isKept(row.args)
		})
	}
}
