package guard

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A place is a path with its symbolic links resolved. It need not exist.
type place struct {
	path string
	info os.FileInfo // nil if nothing exists there
}

func placeOf(path string) place {
	path = store.Resolve(path)
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	return place{path, info}
}

// parents returns the place and all directories above it, innermost first.
func (p place) parents() []place {
	all := []place{p}
	for dir := filepath.Dir(p.path); dir != all[len(all)-1].path; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			info = nil
		}
		all = append(all, place{dir, info})
	}
	return all
}

// is reports whether two places may be the same file: their paths differ only in case, which
// some file systems ignore, or both exist and are the same file under two names.
func (p place) is(other place) bool {
	return strings.EqualFold(p.path, other.path) || p.info != nil && other.info != nil && os.SameFile(p.info, other.info)
}
