package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// shared lets others read, write, rename and erase a file while it is open here.
// Package os leaves out the last two.
const shared = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

// Open is [os.OpenFile] for a file that others may rename or erase while it is open. It
// knows O_RDONLY, and O_WRONLY with O_APPEND and O_CREATE. A new file has the access list
// of its directory.
func Open(path string, flag int, _ os.FileMode) (*os.File, error) {
	access, disposition := uint32(windows.GENERIC_READ), uint32(windows.OPEN_EXISTING)
	if flag&os.O_APPEND != 0 {
		access = windows.FILE_APPEND_DATA | windows.FILE_READ_ATTRIBUTES | windows.FILE_WRITE_ATTRIBUTES | windows.SYNCHRONIZE
	}
	if flag&os.O_CREATE != 0 {
		disposition = windows.OPEN_ALWAYS
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	handle, err := windows.CreateFile(name, access, shared, nil, disposition, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(handle), path), nil
}

// rename replaces as Unix does where Windows can (FILE_RENAME_POSIX_SEMANTICS, since
// 10): the old file may still be open in programs that share its deletion.
func rename(from, to string) error {
	err := MoveAside(from, to)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) && writable(to) {
		err = MoveAside(from, to)
	}
	return err
}

// MoveAside gives the file at path the name to, if that can be done at once. Both are
// in one directory.
func MoveAside(path, to string) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Rename(filepath.Base(path), filepath.Base(to))
}

func remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) && writable(path) {
		err = os.Remove(path)
	}
	return err
}

// writable removes the read-only attribute, and reports whether there was one.
func writable(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Perm()&0o200 == 0 && os.Chmod(path, 0o600) == nil
}

// mayPass reports whether err is what Windows says of a file that another program has
// open, or that is just being replaced or erased. Denied access may also be for good.
func mayPass(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION) ||
		errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_DELETE_PENDING)
}
