package tokens

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// TestSaveSyncsBeforeItRenames checks the system calls of a save: Reserve returns after the
// draft was synced, the draft is synced again before it is renamed, and Save returns after the
// directory was synced.
func TestSaveSyncsBeforeItRenames(t *testing.T) {
	const stateDir = "STATE_DIR_OF_TEST_TOKENS"
	if dir := os.Getenv(stateDir); dir != "" {
		room, err := Open(store.Places{StateDir: dir}, config.Config{DomainURL: "https://idcs", ClientID: "c"}).Reserve(false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := room.Save(testTokens()); err != nil {
			t.Fatal(err)
		}
		return
	}
	if said, err := exec.Command("strace", "-qq", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("there is no strace that works (e2e/install-tools installs it): %v %s", err, said)
	}
	dir, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	child := exec.Command("strace", "-f", "-qq", "-y", "-o", trace, "-e", "trace=pwrite64,fsync,renameat",
		os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), stateDir+"="+dir)
	if said, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, call := range regexp.MustCompile(`(pwrite64|fsync|renameat)\([^\n]*`).FindAll(text, -1) {
		if !bytes.Contains(call, []byte(dir)) {
			continue
		}
		name, rest, _ := strings.Cut(string(call), "(")
		switch {
		case name == "renameat":
		case strings.Contains(rest, ".new>"):
			name += " draft"
		case strings.Contains(rest, dir+">"):
			name += " directory"
		}
		got = append(got, name)
	}
	want := []string{"fsync draft", "pwrite64 draft", "fsync draft", "renameat", "fsync directory"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v\n%s", got, want, text)
	}
}
