package store

import (
	"os"
	"path/filepath"
)

// Resolve follows the links of as much of path as exists.
func Resolve(path string) string {
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
	return filepath.Join(Resolve(parent), filepath.Base(path))
}

// Within reports whether path is tree or below it.
func Within(path, tree string) bool {
	rel, err := filepath.Rel(tree, path)
	return err == nil && (rel == "." || filepath.IsLocal(rel))
}

// SamePath compares as a file system may: links and case apart, by identity.
func SamePath(a, b string) bool {
	if a == b {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
