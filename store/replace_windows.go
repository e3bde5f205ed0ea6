package store

import (
	"errors"
	"os"
	"syscall"
	"time"
)

const errorSharingViolation = syscall.Errno(32)

// rename waits for a reader of the old file, which Windows does not let go of
// its name before it is closed.
func rename(from, to string) error {
	var err error
	for range 100 {
		err = os.Rename(from, to)
		if !errors.Is(err, syscall.ERROR_ACCESS_DENIED) && !errors.Is(err, errorSharingViolation) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// SyncDir does nothing: Windows journals a rename itself.
func SyncDir(string) {}
