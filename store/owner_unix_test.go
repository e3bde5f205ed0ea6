//go:build unix

package store

import (
	"os"
	"testing"
)

// setReaders lets everybody read a file, or its owner alone.
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
