package store

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
)

// The target of a link to another machine is never opened. Windows names are ordinary file
// names on this system, so that a file can have such a name.
func TestLinksToAnotherMachineAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	for name, target := range map[string]string{
		"direct":   `\\host\share`,
		"indirect": "direct",
		"up":       filepath.Join("..", filepath.Base(dir), "indirect"),
		"loop":     "loop",
		"inside":   "file",
	} {
		disktest.Link(t, target, filepath.Join(dir, name))
	}
	remote := func(path string) bool { return strings.HasPrefix(path, `\\`) }
	for name, want := range map[string]string{
		"direct":                             `\\host\share`,
		filepath.Join("direct", "file"):      filepath.Join(`\\host\share`, "file"),
		filepath.Join("indirect", "a", "b"):  filepath.Join(`\\host\share`, "a", "b"),
		"up":                                 `\\host\share`,
		"loop":                               "",
		"inside":                             "",
		filepath.Join("inside", "not there"): "",
		"not there":                          "",
	} {
		if got := targetThat(remote, filepath.Join(dir, name), maxLinks); got != want {
			t.Errorf("%s leads to %q, want %q", name, got, want)
		}
	}
}
