//go:build unix

package store

import "os"

// SyncDir makes a rename last through a power cut.
func SyncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
