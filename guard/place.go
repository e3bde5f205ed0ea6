package guard

import (
	"os"
	"strings"
)

// A place is a path with its symbolic links resolved. It need not exist.
type place struct {
	path string
	info os.FileInfo // nil if nothing exists there, or it was not looked at
}

// is reports whether two places may be the same file: their paths differ only in case, which
// some file systems ignore, or both exist and are the same file under two names.
func (p place) is(other place) bool {
	return strings.EqualFold(p.path, other.path) || p.info != nil && other.info != nil && os.SameFile(p.info, other.info)
}
