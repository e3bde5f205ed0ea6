//go:build unix

package disk

import "os"

// Open is [os.OpenFile] for a file that others may rename or erase while it is open.
func Open(path string, flag int, mode os.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag, mode)
}

func rename(from, to string) error { return os.Rename(from, to) }

func remove(path string) error { return os.Remove(path) }

// MoveAside gives the file at path the name to, if that can be done at once.
func MoveAside(path, to string) error { return os.Rename(path, to) }

// mayPass is false: Unix opens, replaces and erases files whoever has them open.
func mayPass(error) bool { return false }
