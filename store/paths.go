package store

import (
	"os"
	"path/filepath"
	"strings"
)

// resolve follows the links of as much of path as exists.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	// A link to what does not exist yet leads there all the same.
	if target, err := os.Readlink(path); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		if target = filepath.Clean(target); target != path {
			return resolveParent(target)
		}
	}
	return resolveParent(path)
}

func resolveParent(path string) string {
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

// within reports whether path is tree or below it.
func within(path, tree string) bool {
	rel, err := filepath.Rel(tree, path)
	return err == nil && (rel == "." || filepath.IsLocal(rel))
}

// A place is a path that exists or not, its links resolved.
type place struct {
	path string
	info os.FileInfo // nil where there is nothing
}

func placeOf(path string) place {
	path = resolve(path)
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	return place{path, info}
}

// parents returns the place and all directories that it is in, innermost first.
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

// is reports whether two places are one, on a file system that may not tell cases
// apart and may have several names for a file: where both exist, identity decides.
func (p place) is(other place) bool {
	return strings.EqualFold(p.path, other.path) || p.info != nil && other.info != nil && os.SameFile(p.info, other.info)
}

// samePath compares as a file system may: links and case apart, by identity.
func samePath(a, b string) bool {
	if a == b {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
