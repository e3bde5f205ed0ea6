package store

import (
	"fmt"
	"strings"

	"github.com/gofrs/flock"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// TryLock takes the lock that keeps every other process from changing the file,
// or reports that another one has it. The lock is a file of its own, because
// Windows cannot replace a locked one, and is never removed, because two
// processes could then hold two different ones. It ends with the process, and
// with the returned unlock.
//
// Its error is a problem of kind Store: there is no lock to be had here, for
// instance below a read-only home.
func (f *TokenFile) TryLock() (unlock func(), ok bool, err error) {
	return tryLock(strings.TrimSuffix(f.path, ".json") + ".lock")
}

func tryLock(path string) (unlock func(), ok bool, err error) {
	if err = makePrivateDir(path); err == nil {
		lock := flock.New(path, flock.SetPermissions(0o600))
		if ok, err = lock.TryLock(); ok {
			return func() { _ = lock.Close() }, true, nil
		}
		_ = lock.Close()
	}
	if err != nil {
		return nil, false, problem.New(problem.Store,
			fmt.Sprintf("The lock %s cannot be used: %s.", path, plainCause(err)),
			"Make the directory writable by you.").Because(err)
	}
	return nil, false, nil
}
