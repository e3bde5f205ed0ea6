// Package storetest makes the files of a user for tests.
package storetest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// Places returns the places of a user with an empty home.
func Places(t testing.TB) store.Places {
	t.Helper()
	home := t.TempDir()
	return store.Places{
		Home:       home,
		ConfigDirs: []string{filepath.Join(home, ".config", "opencode")},
		StateDir:   filepath.Join(home, ".local", "state", "opencode-oci-oidc"),
		LogFile:    filepath.Join(home, "oci-oidc-debug.log"),
	}
}

// WriteFile writes a private file, and the directories above it.
func WriteFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
