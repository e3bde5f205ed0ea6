package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// TestStatusItem is a person who looks beside the prompt, and into the palette.
func TestStatusItem(t *testing.T) {
	t.Parallel()
	root, err := opencode.Root()
	check(t, err)
	for _, size := range []struct{ columns, rows int }{{120, 40}, {80, 24}} {
		t.Run(fmt.Sprintf("%dx%d", size.columns, size.rows), func(t *testing.T) {
			t.Parallel()
			const threeDays = 3*24*3600 + 1800 // which reads the same for half an hour
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true, ExpiresIn: threeDays})
			me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
			me.write(me.ConfigDir(), "tui.json", map[string]any{"plugin": []string{"file://" + filepath.Join(root, "npm-shim")}})
			tui := me.opensTUI(size.columns, size.rows)
			tui.shows("OCI ! /connect")
			tui.looksLike("status-signed-out")

			tui.commands("sign in again")
			tui.shows("Connect a provider")
			tui.presses("Escape")
			tui.showsNot("Connect a provider")

			// In another terminal.
			me.signInAtThePrompt()
			tui.commands("show the status")
			tui.shows("yes, as maria@example.com")
			tui.presses("Escape")
			tui.showsNot("yes, as maria@example.com")
			tui.shows("OCI ✓ 3 d")
			tui.looksLike("status-signed-in")

			tui.commands("renew the token")
			tui.shows("The token was renewed")
			if got := domain.Count(domaintest.Token); got != 2 {
				t.Errorf("%d token requests, want the sign-in and the renewal", got)
			}
		})
	}
}

// commands chooses a command from the palette.
func (w *tui) commands(title string) {
	w.t.Helper()
	w.presses("C-p")
	w.shows("Commands")
	w.types(title)
	w.settles()
	w.presses("Enter")
	w.showsNot("Commands")
}

// endsSoon makes the session's refresh token end in 50 minutes, of which the windows hear by
// a refresh. The domain must keep the refresh token, and its end with it.
func (c *computer) endsSoon() {
	c.t.Helper()
	path := c.tokenFiles()[0]
	text, err := os.ReadFile(path)
	check(c.t, err)
	saved := map[string]any{}
	check(c.t, json.Unmarshal(text, &saved))
	now := time.Now().UTC()
	saved["end"] = tokens.End{At: now.Add(50 * time.Minute), Of: tokens.RefreshToken, Since: now.Add(-7 * time.Hour)}
	text, err = json.Marshal(saved)
	check(c.t, err)
	check(c.t, store.Replace(path, text))
	c.atThePrompt("refresh")
}
