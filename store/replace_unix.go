//go:build unix

package store

import "os"

func rename(from, to string) error { return os.Rename(from, to) }

// syncDir makes a rename last through a power cut.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
