package store

import (
	"fmt"
	"os"

	"github.com/gofrs/flock"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
)

// TryLock takes the lock at path, or reports that another process has it. It ends
// with the process, and with the returned unlock. Its error is a problem of kind Store.
func TryLock(path string) (unlock func(), ok bool, err error) {
	if info, missing := os.Stat(path); missing == nil {
		err = regular.Check(path, info) // to open another kind of file may take for ever
	}
	if err == nil {
		err = makePrivateDir(path)
	}
	if err == nil {
		lock := flock.New(path, flock.SetPermissions(0o600))
		if ok, err = lock.TryLock(); ok {
			return func() { _ = lock.Close() }, true, nil
		}
		_ = lock.Close()
	}
	if err != nil {
		return nil, false, problem.New(problem.Store,
			fmt.Sprintf("The lock %s cannot be used: %s.", path, PlainCause(err)),
			"Make its directory writable by you; remove it if it is not a file.").Because(err)
	}
	return nil, false, nil
}
