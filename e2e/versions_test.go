package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// A person signs in in the TUI of each version. The status item and the commands in the
// palette are there if that version has plugins in its TUI; otherwise they are missing without
// an error, on the screen or in OpenCode's log.
func TestFeaturesOfEachVersion(t *testing.T) {
	t.Parallel()
	root, err := opencode.Root()
	check(t, err)
	for _, c := range []struct {
		version string
		inTUI   bool
	}{{opencode.Latest, true}, {opencode.Middle, true}, {opencode.Oldest, false}} {
		t.Run(c.version, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true, ExpiresIn: 3*24*3600 + 1800})
			me := newConfiguredComputer(t, c.version, confidential(t, domain))
			if c.inTUI {
				me.write(me.ConfigDir(), "tui.json", map[string]any{"plugin": []string{"file://" + filepath.Join(root, "npm-shim")}})
			}
			tui := me.opensTUI(120, 40)
			if c.inTUI {
				tui.shows("OCI ! /connect")
			}
			tui.connects()
			tui.chooses(withBrowser)
			tui.shows("A browser window has been opened", "Waiting for")
			approves(t, tui.opens())
			tui.showsNot("Waiting for")
			tui.shows("Favorite") // the list of models
			tui.presses("Escape")
			tui.showsNot("Favorite")
			me.keepsNoTokenIn(me.AuthFile())

			tui.presses("C-p")
			tui.shows("Commands")
			tui.types("Sign-in")
			tui.shows("Sign-in") // a busy machine types late
			palette := tui.settles()
			tui.presses("Escape")
			tui.showsNot("Commands")
			if c.inTUI {
				tui.shows("OCI ✓ 3 d")
			}
			screen := tui.settles()
			for text, shown := range map[string]string{"Sign-in: show the status": palette, "OCI ✓": screen} {
				if strings.Contains(shown, text) != c.inTUI {
					t.Errorf("%q is there: %v, want %v\n%s", text, !c.inTUI, c.inTUI, shown)
				}
			}
			if trouble := regexp.MustCompile(`(?i)error|fail|invalid`).FindString(screen); trouble != "" {
				t.Errorf("OpenCode says %q\n%s", trouble, screen)
			}
			me.isNotBlamed()
			if log := me.log(); !strings.Contains(log, "host=opencode-1") || strings.Contains(log, "host=opencode-2") {
				t.Errorf("not OpenCode 1 alone has loaded the plugin:\n%s", log)
			}
		})
	}
}

// isNotBlamed fails the test if OpenCode's own log has a complaint about the plugin.
func (c *computer) isNotBlamed() {
	c.t.Helper()
	logs, _ := filepath.Glob(filepath.Join(c.Dir, ".local", "share", "opencode", "log", "*.log"))
	if len(logs) == 0 {
		c.t.Error("OpenCode has written no log")
	}
	complaint := regexp.MustCompile(`(?im)^.*\b(?:WARN|ERROR)\b.*(?:plugin|oci-oidc|npm-shim|tui).*$`)
	for _, file := range logs {
		text, err := os.ReadFile(file)
		check(c.t, err)
		for _, line := range complaint.FindAllString(string(text), -1) {
			c.t.Errorf("OpenCode's log: %s", line)
		}
	}
}
