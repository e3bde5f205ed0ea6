//go:build unix

package store

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
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

// systemDir is the directory in which OpenCode has its managed one.
func systemDir() string {
	if runtime.GOOS == "darwin" {
		return "/Library/Application Support"
	}
	return "/etc"
}

// Unmanaged says in a few words why somebody else than an administrator can change the
// file at path, or put another one in its place, or is "". The administrator's files belong
// to root, or to the user of that ID. It follows links one at a
// time, so that none of them lies where others can replace it. The access lists of
// macOS are not looked at; those of Linux show in the mode.
func Unmanaged(path string, administrator int) string {
	return unmanaged(path, administrator, maxLinks)
}

func unmanaged(path string, administrator, links int) string {
	parts := strings.Split(filepath.Clean(path), "/")
	for i := range parts {
		at := "/" + filepath.Join(parts[:i+1]...)
		info, err := os.Lstat(at)
		if err != nil {
			return at + " cannot be looked at"
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || stat.Uid != 0 && int(stat.Uid) != administrator {
			return at + " belongs to somebody who is no administrator"
		}
		if info.Mode()&os.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			if err != nil || links == 0 {
				return at + " is a link that leads nowhere"
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			return unmanaged(filepath.Join(target, filepath.Join(parts[i+1:]...)), administrator, links-1)
		}
		writers := info.Mode().Perm() & 0o022
		if runtime.GOOS == "darwin" && (stat.Gid == 0 || stat.Gid == adminGroup) {
			writers &^= 0o020
		}
		// In a sticky directory such as /tmp others can add files, but not replace these.
		if above := i < len(parts)-2; writers != 0 && !(above && info.Mode()&os.ModeSticky != 0) {
			return fmt.Sprintf("%s can be written by others (mode %04o)", at, info.Mode().Perm())
		}
	}
	return ""
}

// adminGroup is the group "admin" of macOS: its members administer the machine.
const adminGroup = 80

// MakeManaged is the command with which an administrator keeps others from changing the
// file at path.
func MakeManaged(path string) string {
	return fmt.Sprintf(`chown root "%s" "%s" && chmod go-w "%s" "%s"`, filepath.Dir(path), path, filepath.Dir(path), path)
}
