package main

import (
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// Another program keeps the token that it is given, so the token is valid for at least
// --min-life, in every format. If that is impossible, the token is printed all the same, and
// standard error says why.
func TestTokenForAnotherProgramHasMinimumLife(t *testing.T) {
	for _, row := range []struct {
		name       string
		life, left time.Duration // of the saved token
		args       string
		refreshes  int
		says       string
		spoil      func(*computer)
	}{
		{name: "seconds", life: time.Hour, left: 20 * time.Second, refreshes: 1},
		{name: "seconds, as a header", life: time.Hour, left: 20 * time.Second, args: "--format header", refreshes: 1},
		{name: "seconds, as JSON", life: time.Hour, left: 20 * time.Second, args: "--format json", refreshes: 1},
		{name: "seconds, for a shell", life: time.Hour, left: 20 * time.Second, args: "--format env", refreshes: 1},
		{name: "seconds, for kubectl", life: time.Hour, left: 20 * time.Second, args: "--format exec-credential", refreshes: 1},
		{name: "less than five minutes", life: time.Hour, left: 4*time.Minute + 30*time.Second, refreshes: 1},
		{name: "more than five minutes", life: time.Hour, left: 10 * time.Minute},
		{name: "less than wanted", life: time.Hour, left: 10 * time.Minute, args: "--min-life 15m", refreshes: 1},
		{name: "more than wanted", life: time.Hour, left: 15 * time.Minute, args: "--min-life 10m"},
		{name: "more than half of it", life: 4 * time.Minute, left: 3 * time.Minute},
		{name: "less than half of it", life: 4 * time.Minute, left: 110 * time.Second, refreshes: 1},
		{name: "more is wanted than there ever is", life: time.Hour, left: 50 * time.Minute, args: "--min-life 24h", says: "A token is refreshed when half of its life has passed"},
		{name: "no refresh token", life: time.Hour, left: time.Minute, says: "There is no refresh token to get another one.", spoil: func(c *computer) {
			saved := c.savedTokens()
			saved.Refresh = secret.Text{}
			_, err := c.tokenFile().Save(saved)
			c.check(err)
		}},
		{name: "domain in trouble", life: time.Hour, left: time.Minute, refreshes: 1, says: "has a fault of its own", spoil: func(c *computer) {
			c.server.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Unavailable})
		}},
		{name: "session ended elsewhere", life: time.Hour, left: time.Minute, refreshes: 1, says: "your session has ended", spoil: func(c *computer) {
			c.server.EndSessions()
		}},
		{name: "an earlier refresh without an answer", life: time.Hour, left: time.Minute, says: "An earlier refresh had no usable answer", spoil: func(c *computer) {
			saved := c.savedTokens()
			saved.RefreshSentAt = time.Now().Add(-time.Second)
			_, err := c.tokenFile().Save(saved)
			c.check(err)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			saved := c.savedTokens()
			saved.IssuedAt, saved.ExpiresAt = time.Now().Add(row.left-row.life), time.Now().Add(row.left)
			_, err := c.tokenFile().Save(saved)
			c.check(err)
			if row.spoil != nil {
				row.spoil(c)
			}
			stdout, stderr, code := c.run(append([]string{"token"}, strings.Fields(row.args)...)...)
			if code != exitOK {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			if old := strings.Contains(stdout, saved.Access.Reveal()); old != (row.refreshes == 0 || row.says != "") {
				t.Errorf("it is the old token: %v", old)
			}
			if row.says == "" && stderr != "" || !strings.Contains(stderr, row.says) || row.says != "" && !strings.Contains(stderr, "The token is valid for ") {
				t.Errorf("it says %q", stderr)
			}
			if n := c.server.Count(domaintest.Token); n != row.refreshes {
				t.Errorf("the domain was asked %d times", n)
			}
		})
	}
	c := newComputer(t)
	if _, said, code := c.run("token", "--min-life=-1s"); code != exitUsage || !strings.Contains(said, "which is negative") {
		t.Errorf("exit code %d: %s", code, said)
	}
}
