//go:build unix

package store

import (
	"io/fs"
	"os"
	"syscall"
)

// Foreign says in a few words why somebody else than this user, and the
// administrator, can write the file at path, or is "".
func Foreign(_ string, info fs.FileInfo) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && int(stat.Uid) != os.Geteuid() && stat.Uid != 0:
		return "it belongs to another user"
	case info.Mode().Perm()&0o022 != 0:
		return "others can write it"
	default:
		return ""
	}
}

// keepPrivate keeps others out of a directory.
func keepPrivate(dir string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return os.Chmod(dir, 0o700)
}
