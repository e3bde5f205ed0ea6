package store

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Whether others can read a file is found out, on Windows from the access list (Wine
// translates the list to a mode).
func TestOthersCanRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	setReaders(t, path, false)
	if why, known := Readers(path); why != "" || !known {
		t.Errorf("mine alone: %q, %v", why, known)
	}
	setReaders(t, path, true)
	if why, known := Readers(path); why == "" || !known {
		t.Errorf("everybody's: %q, %v", why, known)
	}
	if why, known := Readers(filepath.Join(path, "none")); why != "" || known {
		t.Errorf("nothing: %q, %v", why, known)
	}
	if command := MakePrivate(path); !strings.Contains(command, path) || strings.HasPrefix(command, "chmod 600 ") == (runtime.GOOS == "windows") {
		t.Error(command)
	}
}
