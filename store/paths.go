package store

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
)

// Resolve follows the links of as much of path as exists. A link that leads to another
// machine is not followed: its target is returned as it is written.
func Resolve(path string) string {
	if runtime.GOOS == "windows" && !disk.OverNetwork(path) {
		if target := targetThat(disk.OverNetwork, path, maxLinks); target != "" {
			return target
		}
	}
	return resolve(path)
}

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

// maxLinks bounds how many links are followed, as file systems do.
const maxLinks = 40

// targetThat returns where a link on the way of path leads, if forbidden says so of it,
// or "". Nothing beyond that link is looked at.
func targetThat(forbidden func(path string) bool, path string, links int) string {
	parts := strings.Split(path, string(filepath.Separator))
	for i := range parts {
		link := strings.Join(parts[:i+1], string(filepath.Separator))
		target, err := os.Readlink(link)
		if err != nil {
			continue
		}
		rest := filepath.Join(parts[i+1:]...)
		if forbidden(target) {
			return filepath.Join(target, rest)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		if links == 0 {
			return ""
		}
		return targetThat(forbidden, filepath.Join(target, rest), links-1)
	}
	return ""
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
