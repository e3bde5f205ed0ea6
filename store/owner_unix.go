//go:build unix

package store

import (
	"fmt"
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

// Readers says in a few words why others than this user, and the administrator, can read
// what is at path, or is "". The other result is false where that is not known.
func Readers(path string) (why string, known bool) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Sprintf("mode %04o", mode), true
	}
	return "", true
}

// MakePrivate is the command with which a person keeps others away from what is at path.
func MakePrivate(path string) string {
	mode := 600
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		mode = 700
	}
	return fmt.Sprintf("chmod %d %s", mode, path)
}

// keepPrivate keeps others out of a directory.
func keepPrivate(dir string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return os.Chmod(dir, 0o700)
}
