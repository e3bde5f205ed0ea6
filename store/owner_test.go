package store_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

// Whether others can read a file is found out, on Windows from the access list (Wine
// translates the list to a mode).
func TestOthersCanRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	storetest.SetReaders(t, path, false)
	if why, known := store.Readers(path); why != "" || !known {
		t.Errorf("mine alone: %q, %v", why, known)
	}
	storetest.SetReaders(t, path, true)
	if why, known := store.Readers(path); why == "" || !known {
		t.Errorf("everybody's: %q, %v", why, known)
	}
	if why, known := store.Readers(filepath.Join(path, "none")); why != "" || known {
		t.Errorf("nothing: %q, %v", why, known)
	}
	if command := store.MakePrivate(path); !strings.Contains(command, path) || strings.HasPrefix(command, "chmod 600 ") == (runtime.GOOS == "windows") {
		t.Error(command)
	}
}
