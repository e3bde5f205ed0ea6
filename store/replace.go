package store

import (
	"errors"
	"os"
	"path/filepath"
)

var errNoHome = errors.New("there is no home directory; set HOME or XDG_STATE_HOME")

// makePrivateDir makes the directory of path, for its owner alone.
func makePrivateDir(path string) error {
	if !filepath.IsAbs(path) {
		return errNoHome
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

// replaceFile writes a file for its owner alone, or leaves the old one: the text
// is safe on the disk before it takes the old one's name. Only one process at a
// time may call it for a path, so that what a killed one left behind has a known
// name and is removed.
func replaceFile(path string, text []byte) error {
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
		err = rename(name, path)
	}
	if err != nil {
		_ = os.Remove(name)
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}
