package store

import "io/fs"

// foreign tells nothing on Windows, where a file's mode says nothing of others.
func foreign(fs.FileInfo) string { return "" }
