package guard

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A place is a path with its symbolic links resolved. It need not exist.
type place struct {
	path string
	info os.FileInfo // nil if nothing exists there, or it was not looked at
}

func (g *Guard) placeOf(path string) place {
	path = g.resolve(path)
	return place{path, g.stat(path)}
}

// parents returns a place and all directories above it, innermost first.
func (g *Guard) parents(p place) []place {
	all := []place{p}
	for dir := filepath.Dir(p.path); dir != all[len(all)-1].path; dir = filepath.Dir(dir) {
		all = append(all, place{dir, g.stat(dir)})
	}
	return all
}

// is reports whether two places may be the same file: their paths differ only in case, which
// some file systems ignore, or both exist and are the same file under two names.
func (p place) is(other place) bool {
	return strings.EqualFold(p.path, other.path) || p.info != nil && other.info != nil && os.SameFile(p.info, other.info)
}

// remote reports whether a path is on another machine. There the guard looks at nothing,
// because on Windows that can hand over the person's credentials before the host has asked
// the person whether the tool may run. A home or a project on another machine is in use anyway.
func (g *Guard) remote(path string) bool {
	return disk.OverNetwork(path) && !store.Within(path, g.places.Home) && !store.Within(path, g.directory)
}

func (g *Guard) resolve(path string) string {
	if g.remote(path) {
		return path
	}
	return store.Resolve(path)
}

func (g *Guard) stat(path string) os.FileInfo {
	if g.remote(path) {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func (g *Guard) isDirectory(path string) bool {
	info := g.stat(path)
	return info != nil && info.IsDir()
}
