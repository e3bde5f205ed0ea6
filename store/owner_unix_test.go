//go:build unix

package store

import (
	"os"
	"testing"
)

// setReaders lets everybody, or only the owner, read a file.
func setReaders(t *testing.T, path string, everybody bool) {
	t.Helper()
	mode := os.FileMode(0o600)
	if everybody {
		mode = 0o644
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
