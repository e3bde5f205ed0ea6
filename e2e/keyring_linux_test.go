package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/desktop"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestTokensInTheKeyring: the model answers, and no token is on the disk. Where the
// keyring is not there, OpenCode says so, and all is well once it is.
func TestTokensInTheKeyring(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	config := confidential(t, domain)
	config.TokenStore = "keyring"
	me := newConfiguredComputer(t, opencode.Latest, config)
	mine := desktop.New(t, filepath.Join(me.Dir, "desktop"))
	me.Environ = append(me.Environ, "DBUS_SESSION_BUS_ADDRESS="+mine.Address)
	const missing = "The keyring of this system cannot be used: no program in this D-Bus session keeps one"

	if said := me.connects(); !strings.Contains(said, missing) || !strings.Contains(said, `"token_store": "file"`) || strings.Contains(said, "Signed in") {
		t.Errorf("oci-oidc-helper connect: %s", said)
	}

	mine.Unlock()
	me.signInAtThePrompt()
	me.serves()
	me.chats("oci-oidc").answers(greeting)
	me.keepsNoTokenAnywhere()

	mine.Stop()
	me.restartsHelper()
	me.isTold(me.chats("oci-oidc"), "The saved tokens are encrypted. "+missing, `"token_store": "file"`)

	mine.Unlock()
	me.restartsHelper()
	me.chats("oci-oidc").answers(greeting)
	if got := domain.Count(domaintest.Token); got != 1 {
		t.Errorf("%d token requests, want the one of the sign-in", got)
	}
	if got := mine.Keys(); got != 1 {
		t.Errorf("the keyring holds %d keys", got)
	}
}

// keepsNoTokenAnywhere looks into every file of the computer but the browser's list of
// addresses.
func (c *computer) keepsNoTokenAnywhere() {
	c.t.Helper()
	token := regexp.MustCompile(`eyJ[\w-]{10,}\.eyJ|AQIDBA`)
	looked := 0
	err := filepath.WalkDir(c.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || filepath.Base(filepath.Dir(path)) == "node_modules" {
			return err
		}
		text, err := os.ReadFile(path)
		if looked++; token.Match(text) {
			c.t.Errorf("%s holds a token", path)
		}
		return err
	})
	if err != nil || looked == 0 || len(c.tokenFiles()) == 0 {
		c.t.Errorf("%d files, of tokens %d: %v", looked, len(c.tokenFiles()), err)
	}
}
