package main

import (
	"strings"
	"sync"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// Fifty programs that want a token at the same moment all get one, from the disk or,
// where it is over, with a single refresh.
func TestFiftyTokensAtOnce(t *testing.T) {
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
			tokens := make([]string, 50)
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
