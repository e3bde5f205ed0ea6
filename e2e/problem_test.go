package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestWhatOpenCodeMakesOfEachProblem: its words are the same in OpenCode, at the
// prompt and in the log, and it is tried again if it may pass, and not otherwise.
func TestWhatOpenCodeMakesOfEachProblem(t *testing.T) {
	// How often a token is asked for without a retry, at most: when the plugin starts,
	// for the answer and for the title. With retries it is twice that and more.
	const once = 4
	for _, c := range []struct {
		kind   string
		make   func(me *computer, domain *domaintest.Server)
		says   string
		next   string
		passes bool
	}{
		{"login_required", func(me *computer, _ *domaintest.Server) {
			for _, file := range me.tokenFiles() {
				_ = os.Remove(file)
			}
		}, "You are not signed in, or your session has ended.", "/connect", false},
		{"config", func(_ *computer, domain *domaintest.Server) {
			domain.Change(func(o *domaintest.Options) { o.Clients[0].Secret = "renewed" })
		}, "the domain does not accept the application", "Check client_id", false},
		{"network", func(_ *computer, domain *domaintest.Server) {
			domain.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Reset})
			domain.FailAlways(domaintest.Discovery, domaintest.Fault{Kind: domaintest.Reset})
		}, "cut the connection", "check the network", true},
		{"throttled", func(_ *computer, domain *domaintest.Server) {
			domain.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Throttle})
		}, "the domain is asked too often just now", "Wait a moment", true},
		{"domain", func(_ *computer, domain *domaintest.Server) {
			domain.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.ServerError})
		}, "the domain has a fault of its own", "Wait a moment", true},
		{"store", func(me *computer, _ *domaintest.Server) {
			for _, file := range me.tokenFiles() {
				_ = os.WriteFile(file, []byte(`{"version": 99}`), 0o600)
			}
		}, "were written by a newer version", "Update opencode-oci-oidc", false},
		{"internal", func(me *computer, _ *domaintest.Server) {
			broken := filepath.Join(me.Dir, "broken-helper")
			_ = os.WriteFile(broken, []byte("#!/bin/sh\nexit 3\n"), 0o700)
			me.Environ = append(me.Environ, "OCI_OIDC_HELPER="+broken)
		}, "ended unexpectedly", "install the plugin again", false},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true, ExpiresIn: 1})
			me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
			me.signInAtThePrompt()
			c.make(me, domain)

			asked := me.start("run", "--title", "greeting", "hi")
			if c.passes {
				// OpenCode says nothing while it tries again; it would for a minute.
				asked.await("trying again", func() bool { return me.tries() > once })
				asked.end()
			} else {
				asked.says(c.says, c.next)
				if tries := me.tries(); tries > once {
					t.Errorf("the token was asked for %d times\n%s", tries, asked.output())
				}
			}
			if c.kind == "internal" {
				return // there is no helper at the prompt, and no log
			}
			if output := me.atThePrompt("token"); !strings.Contains(output, c.says) {
				t.Errorf("at the prompt: %s\nwant %q", output, c.says)
			}
			log, err := os.ReadFile(filepath.Join(me.Dir, "oci-oidc-debug.log"))
			if err != nil || !strings.Contains(string(log), c.says) {
				t.Errorf("the log (%v) does not say %q\n%s", err, c.says, log)
			}
		})
	}
}

// signInAtThePrompt signs in with the helper alone, in a browser that approves.
func (c *computer) signInAtThePrompt() {
	c.t.Helper()
	browser := filepath.Join(c.Dir, "approving-browser")
	if err := os.WriteFile(browser, []byte("#!/bin/sh\nexec curl -sSL -c /dev/null -o /dev/null \"$1\"\n"), 0o700); err != nil {
		c.t.Fatal(err)
	}
	before := c.Environ
	c.Environ = append(before, "BROWSER="+browser)
	output := c.atThePrompt("connect")
	c.Environ = before
	if !strings.Contains(output, "Signed in") {
		c.t.Fatalf("oci-oidc-helper connect: %s", output)
	}
}

// atThePrompt runs a command of the helper and returns all that it says.
func (c *computer) atThePrompt(args ...string) string {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), c.helper, args...)
	command.Env, command.Dir = c.Environ, c.Project
	output, _ := command.CombinedOutput()
	return string(output)
}

// tries counts how often OpenCode's plugin has asked for a token.
func (c *computer) tries() (n int) {
	log, _ := os.ReadFile(filepath.Join(c.Dir, "oci-oidc-debug.log"))
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "msg=request method=getToken") {
			n++
		}
	}
	return n
}
