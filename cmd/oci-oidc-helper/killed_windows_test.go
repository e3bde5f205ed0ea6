package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// spending are the commands that use a refresh token.
var spending = [][]string{{"token"}, {"refresh"}, {"--stdio"}}

// A process is terminated at each step of a refresh, as the Task Manager does it. Only between
// sending and saving is the session lost; the next process says what to do.
func TestKilledOnWindows(t *testing.T) {
	const before, waiting, answered, saving = "before sending", "while waiting", "after half of the answer", "while saving"
	for _, args := range spending {
		for _, moment := range []string{before, waiting, answered, saving} {
			name := strings.Join(args, " ") + ", " + moment
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c := newSpending(t)
				mine := c.savedTokens().Refresh.Reveal()
				stop := &stopped{op: domaintest.Token, form: mine, half: moment == answered, reached: make(chan struct{}), goOn: make(chan struct{})}
				release := func() {}
				switch moment {
				case before:
					release = c.lock()
				case saving:
					release = c.hold(windows.FILE_SHARE_READ)
				default:
					c.server.Change(func(o *domaintest.Options) { o.Tamper = stop.tamper })
				}
				p := c.begin(args...)
				switch moment {
				case before:
					p.waitsForLock()
				case saving: // the new tokens are beside the file that they cannot replace
					for c.savedTokens().Access.Reveal() == "over" {
						<-time.After(10 * time.Millisecond)
						c.check(t.Context().Err())
					}
				default:
					p.until(stop.reached)
				}
				c.check(p.Process.Kill())
				p.ends()
				release()
				close(stop.goOn)
				c.server.Change(func(o *domaintest.Options) { o.Tamper = nil })
				if sent := slices.Contains(c.refreshTokens(), mine); sent != (moment != before) {
					t.Errorf("the refresh token was sent: %v", sent)
				}
				if moment == before || moment == saving {
					c.isKept(name)
				} else {
					c.isLost(name)
				}
			})
		}
	}
}

// A file that cannot be read or replaced, for example while a virus scanner has it open, does
// not end the session and is not reported as a sign-out.
func TestTokensThatAnotherProgramHolds(t *testing.T) {
	for _, row := range []struct {
		name    string
		sharing uint32 // what the other program lets others do
		longest time.Duration
		may     string // what a command may do
	}{
		{"unreadable", 0, 0, "fail"},
		{"unreadable for a second", 0, time.Second, "both"}, // on a busy machine a second is not long
		{"not to be replaced", windows.FILE_SHARE_READ, 0, "succeed"},
	} {
		for _, args := range spending[:2] {
			t.Run(row.name+", "+args[0], func(t *testing.T) {
				t.Parallel()
				c := newSpending(t)
				release := c.hold(row.sharing)
				if row.longest > 0 {
					time.AfterFunc(row.longest, release)
				}
				_, said, code := c.run(args...)
				unread := code == exitProblem && strings.Contains(said, "cannot be read: ") && strings.Contains(said, "Try again.")
				if fits := code == exitOK && row.may != "fail" || unread && row.may != "succeed"; !fits {
					t.Errorf("exit code %d: %s", code, said)
				}
				if unread && len(c.refreshTokens()) > 0 {
					t.Error("the refresh token was sent")
				}
				release()
				c.isKept(row.name)
			})
		}
	}
}

// connect says "Signed in" only if the tokens of the sign-in are on the disk.
func TestConnectThatMayNotSave(t *testing.T) {
	for _, row := range []struct {
		name  string
		saves bool // in any case
		spoil func(*computer) (mend func())
	}{
		{"nothing is in the way", true, func(*computer) func() { return func() {} }},
		{"the file cannot be replaced", true, func(c *computer) func() { return c.hold(windows.FILE_SHARE_READ) }},
		{"the file cannot be read", false, func(c *computer) func() { return c.hold(0) }},
		{"the file is read-only", true, func(c *computer) func() {
			c.check(os.Chmod(c.tokenFile().Path(), 0o400))
			return func() {}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newSpending(t)
			stop := &stopped{op: domaintest.Token, form: "authorization_code", reached: make(chan struct{}), goOn: make(chan struct{})}
			c.server.Change(func(o *domaintest.Options) { o.Tamper = stop.tamper })
			p := c.begin("connect")
			p.until(stop.reached)
			mend := row.spoil(c)
			close(stop.goOn)
			p.ends()
			mend()
			code, said := p.ProcessState.ExitCode(), p.stderr.text()
			if strings.Contains(said, "Signed in") != (code == exitOK) || code != exitOK && row.saves {
				t.Errorf("exit code %d: %s", code, said)
			}
			if code == exitOK {
				c.mustRun("token")
				if len(c.refreshTokens()) > 0 {
					t.Error("the next process had to refresh the tokens of the session before")
				}
			}
		})
	}
	t.Run("a file is in the way", func(t *testing.T) {
		t.Parallel()
		c := newSpending(t)
		c.remove("state/opencode-oci-oidc")
		c.write("state/opencode-oci-oidc", "")
		if _, said, code := c.run("connect"); code == exitOK || strings.Contains(said, "Signed in") || c.server.Count(domaintest.Authorize) > 0 {
			t.Errorf("exit code %d: %s", code, said)
		}
	})
}

// newSpending is a computer whose access token has expired.
func newSpending(t *testing.T) *computer {
	c := newComputer(t)
	c.keys["log_file"] = "~/oci-oidc-debug.log"
	c.configure()
	c.expire()
	return c
}

// hold opens the file with the saved tokens with the given sharing mode.
func (c *computer) hold(sharing uint32) (release func()) {
	c.Helper()
	name, err := windows.UTF16PtrFromString(c.tokenFile().Path())
	c.check(err)
	handle, err := windows.CreateFile(name, windows.GENERIC_READ, sharing, nil, windows.OPEN_EXISTING, 0, 0)
	c.check(err)
	file := os.NewFile(uintptr(handle), "held")
	release = func() { _ = file.Close() }
	c.Cleanup(release)
	return release
}
