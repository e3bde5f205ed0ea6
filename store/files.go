package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
)

// ErrNoHome is the error where no directory can be named.
var ErrNoHome = errors.New("there is no home directory; set HOME or XDG_STATE_HOME to the whole path of a directory")

// makePrivateDir makes the directory of path, for its owner alone.
func makePrivateDir(path string) error {
	if !filepath.IsAbs(path) {
		return ErrNoHome
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return keepPrivate(dir, info)
}

// Replace writes a file for its owner alone, or leaves the old one: the text
// is safe on the disk before it takes the old one's name. Only one process at a
// time may call it for a path, so that what a killed one left behind has a known
// name and is removed.
func Replace(path string, text []byte) error {
	if err := makePrivateDir(path); err != nil {
		return err
	}
	name := path + ".tmp"
	_ = os.Remove(name)
	temp, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = disk.Rename(name, path)
	}
	if err != nil {
		_ = os.Remove(name)
		return err
	}
	SyncDir(filepath.Dir(path))
	return nil
}

// Writable reports whether files can be made in a directory, or in what is there of
// it. The mode would not tell of a read-only file system.
func Writable(dir string) error {
	if dir == "" {
		return ErrNoHome
	}
	probe, err := os.CreateTemp(dir, ".opencode-oci-oidc-*")
	if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
		return Writable(parent)
	}
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// PlainCause is the part of a file error that a person needs.
func PlainCause(err error) string {
	var (
		pathErr *fs.PathError
		linkErr *os.LinkError
	)
	switch {
	case errors.As(err, &pathErr):
		return pathErr.Err.Error()
	case errors.As(err, &linkErr):
		return linkErr.Err.Error()
	default:
		return err.Error()
	}
}
