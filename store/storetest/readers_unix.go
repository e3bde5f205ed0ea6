//go:build unix

package storetest

import (
	"os"
	"testing"
)

// SetReaders lets everybody, or only the owner, read a file or list a directory.
func SetReaders(t testing.TB, path string, everybody bool) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	mode := os.FileMode(0o600)
	if everybody {
		mode = 0o644
	}
	if info.IsDir() {
		mode |= mode >> 2 & 0o111 // who may read it may enter it
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
