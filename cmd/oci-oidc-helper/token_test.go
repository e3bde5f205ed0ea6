package main

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// Until the time in Retry-After, no process sends a request for new tokens.
func TestRetryAfterIsForEveryProcess(t *testing.T) {
	for _, row := range []struct {
		command string
		expired bool
		code    int
	}{
		{"refresh", false, exitProblem},
		{"refresh", true, exitProblem},
		{"token", true, exitProblem},
		{"token --min-life 59m", false, exitOK},
	} {
		t.Run(row.command, func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			if row.expired {
				c.expire()
			} else {
				saved := c.savedTokens()
				saved.IssuedAt, saved.ExpiresAt = time.Now().Add(-50*time.Minute), time.Now().Add(10*time.Minute)
				_, err := c.tokenFile().Save(saved)
				c.check(err)
			}
			c.server.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Throttle, RetryAfter: 10 * time.Minute})
			run := func() {
				if _, stderr, code := c.run(strings.Fields(row.command)...); code != row.code {
					t.Errorf("exit code %d: %s", code, stderr)
				}
			}
			var all sync.WaitGroup
			for range 10 {
				all.Go(run)
			}
			all.Wait()
			run()
			if n := c.server.Count(domaintest.Token); n != 1 {
				t.Errorf("the domain was asked %d times", n)
			}
		})
	}
}

// Many programs that ask for a token at the same time all get one: from the disk or, if it
// has expired, with a single refresh.
func TestManyTokensAtOnce(t *testing.T) {
	programs := 50
	if runtime.GOOS == "windows" { // fifty would start for a minute under wine
		programs = 6
	}
	for _, row := range []struct {
		name     string
		requests int // to the domain
		before   func(*computer)
	}{
		{"saved", 0, func(*computer) {}},
		{"over", 1, (*computer).expire},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newComputer(t)
			row.before(c)
			var all sync.WaitGroup
			tokens := make([]string, programs)
			for i := range tokens {
				all.Go(func() {
					stdout, stderr, code := c.run("token")
					if code != exitOK || stderr != "" {
						t.Errorf("exit code %d: %s", code, stderr)
					}
					tokens[i] = stdout
				})
			}
			all.Wait()
			for _, token := range tokens {
				if token != tokens[0] || !strings.HasPrefix(token, "eyJ") {
					t.Fatal("they do not all get the same token")
				}
			}
			if got := c.server.Count(domaintest.Token); got != row.requests {
				t.Errorf("the domain was asked %d times", got)
			}
		})
	}
}
