package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// shared allows other programs to read, write, rename and remove a file while it is open here.
// Package os does not set FILE_SHARE_DELETE, which renaming and removing need.
const shared = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

// Open is [os.OpenFile] for a file that other programs may rename or remove while it is open.
// It supports O_RDONLY, and O_WRONLY with O_APPEND and O_CREATE. A new file inherits the access
// control list of its directory.
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

// rename replaces a file as on Unix (FILE_RENAME_POSIX_SEMANTICS, since Windows 10): programs
// may still have the old file open, with FILE_SHARE_DELETE.
func rename(from, to string) error {
	err := MoveAside(from, to)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) && writable(to) {
		err = MoveAside(from, to)
	}
	return err
}

// MoveAside renames a file within its directory, without retrying.
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

// mayPass reports whether err may be temporary: another program has the file open, or is
// replacing or removing it. ERROR_ACCESS_DENIED can also be permanent.
func mayPass(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_LOCK_VIOLATION) ||
		errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_DELETE_PENDING)
}
