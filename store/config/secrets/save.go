package secrets

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

// Path returns where to save a client secret, and the reference to it for a
// configuration.
func Path(p store.Places) (path, reference string) {
	return filepath.Join(p.Home, ".secrets", "oci-client-secret"), "{file:~/.secrets/oci-client-secret}"
}

// Save saves a client secret in a file that only its owner can read. If the file holds
// another secret and replace is false, the error is fs.ErrExist.
func Save(path string, value secret.Text, replace bool) error {
	before, err := regular.ReadText(path, check.MaxSize)
	switch {
	case err == nil && strings.TrimSpace(string(before)) == value.Reveal():
		return os.Chmod(path, 0o600)
	case !errors.Is(err, fs.ErrNotExist) && !replace:
		return fs.ErrExist
	}
	if err := store.Replace(path, []byte(value.Reveal()+"\n")); err != nil {
		return store.NotWritten("The client secret could not be saved in "+path, err)
	}
	return nil
}
