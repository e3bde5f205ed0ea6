package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The helper ignores some signals. The browser that it opens does not inherit that, and ends
// with its window and terminal like one that the person opened.
func TestBrowserIgnoresNoSignals(t *testing.T) {
	inheritNothing(t)
	for _, how := range []string{"connect", "--stdio"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			c.remove("state/opencode-oci-oidc")
			c.program("curious", "grep SigIgn /proc/self/status > "+c.path("ignored")+"\nexec browser \"$1\"")
			c.setenv("BROWSER", "curious %s")
			p := c.begin(how)
			if how == "--stdio" {
				_, err := fmt.Fprintln(p.stdin, `{"jsonrpc":"2.0","id":2,"method":"connect"}`)
				c.check(err)
				p.until(p.stdout.has(`"id":2`))
			}
			p.finish()
			if code := p.ProcessState.ExitCode(); code != exitOK {
				t.Errorf("exit code %d: %s", code, p.stderr.text())
			}
			text, err := os.ReadFile(c.path("ignored"))
			c.check(err)
			ignored, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(string(text), "SigIgn:")), 16, 64)
			c.check(err)
			for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE} {
				if ignored&(1<<(s-1)) != 0 {
					t.Errorf("the browser ignores %s", s)
				}
			}
		})
	}
}
