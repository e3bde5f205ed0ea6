package guard

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard/shell"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A Guard keeps an agent's tools away from what is [Protected]. It prevents
// mistakes; a shell that runs as the same user can always find another way.
type Guard struct {
	places    store.Places
	directory string
	kept      []place // trees and files: nothing at or below them may be opened
	inside    []place // the files that there are at or below kept
	readOnly  []place
	allowed   bool // oci-oidc-helper token
	windows   bool // commands are for cmd or PowerShell, and paths have drives
}

// maxInside bounds how many files of the kept trees are looked at.
const maxInside = 1000

// New returns the guard for a project directory. Its rules are read from
// the disk as it is now.
func New(p store.Places, directory string) *Guard {
	protected := ProtectedIn(p, directory)
	c, err := config.Load(p, directory)
	g := &Guard{places: p, directory: directory, windows: runtime.GOOS == "windows", allowed: err == nil && c.AgentToken}
	for _, path := range append(protected.Trees, protected.Files...) {
		g.kept = append(g.kept, placeOf(path))
	}
	for _, path := range protected.ReadOnly {
		g.readOnly = append(g.readOnly, placeOf(path))
	}
	for _, root := range g.kept {
		_ = filepath.WalkDir(root.path, func(path string, entry fs.DirEntry, err error) error {
			if len(g.inside) == maxInside {
				return fs.SkipAll
			}
			if err == nil && !entry.IsDir() {
				info, _ := os.Stat(path)
				g.inside = append(g.inside, place{path, info})
			}
			return nil
		})
	}
	return g
}

// denyPath judges an absolute path that a tool opens.
func (g *Guard) denyPath(path string, write bool) string {
	if innards().MatchString(filepath.ToSlash(path)) {
		return reasonFor(path)
	}
	opened := placeOf(path)
	if innards().MatchString(filepath.ToSlash(opened.path)) {
		return reasonFor(path)
	}
	for _, parent := range opened.parents() {
		for _, kept := range g.kept {
			if parent.is(kept) {
				return reasonFor(kept.path)
			}
		}
	}
	// A hard link has no way back to the other name.
	for _, file := range g.inside {
		if opened.is(file) {
			return reasonFor(file.path)
		}
	}
	if write {
		return g.denyWrite(opened)
	}
	return ""
}

// denyWrite judges a place that a tool changes.
func (g *Guard) denyWrite(changed place) string {
	for _, file := range g.readOnly {
		if changed.is(file) {
			return fmt.Sprintf("opencode-oci-oidc lets agents read %s, but not change it. Show the person what to change.", file.path)
		}
	}
	return ""
}

// innards are what Linux shows of a process: its environment, memory, open files,
// and its view of the disk. The process may be named by anything.
var innards = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^/proc/[^/]+/(.*/)?(environ|mem|fd|root|cwd|map_files|auxv|syscall)(/|$)`)
})

// denyGlob judges a pattern of file names below a directory. What is found are names
// alone, but who asks for those of the secrets wants to open them.
func (g *Guard) denyGlob(pattern, from string) string {
	pattern = g.absoluteIn(pattern, from)
	if reason := g.denyPath(literalPrefix(pattern), false); reason != "" {
		return reason
	}
	if reason := g.denyPath(from, false); reason != "" {
		return reason
	}
	pattern = g.resolvePattern(pattern)
	for _, file := range g.inside {
		if matchPath(pattern, file.path) {
			return reasonFor(file.path) + " Look in a directory that does not contain it."
		}
	}
	return ""
}

// denyGrep judges a directory whose files a tool reads, but only those whose names
// match include, if there is one.
func (g *Guard) denyGrep(include, from string) string {
	if reason := g.denyPath(from, false); reason != "" {
		return reason
	}
	return g.denyDescent(from, func(file string) bool {
		return include == "" || matchName(include, filepath.Base(file))
	}, "include")
}

// denyDescent judges a directory whose files are all read, but for those that
// reads does not hold for. The option is the one that limits them.
func (g *Guard) denyDescent(from string, reads func(file string) bool, option string) string {
	root := placeOf(from)
	for _, file := range g.inside {
		if slices.ContainsFunc(file.parents(), root.is) && reads(file.path) {
			return fmt.Sprintf("%s Search a directory that does not contain it, or leave it out with %s.", reasonFor(file.path), option)
		}
	}
	return ""
}

// absolute returns the absolute path of what a tool is given.
func (g *Guard) absolute(name string) string { return g.absoluteIn(name, g.directory) }

func (g *Guard) absoluteIn(name, directory string) string {
	if g.windows {
		return windowsPath(name, directory, g.places.Home)
	}
	return g.places.Expand(strings.TrimPrefix(name, "file://"), directory)
}

func reasonFor(path string) string {
	return fmt.Sprintf("opencode-oci-oidc keeps %s from agents, because it may hold a secret.", path)
}

// literalPrefix is the part of a glob pattern before its first wildcard.
func literalPrefix(pattern string) string {
	if i := strings.IndexAny(pattern, "*?[{"+shell.Unknown); i >= 0 {
		pattern = pattern[:i]
	}
	return pattern
}

// resolvePattern follows the links of the directories that an absolute pattern names
// before its first wildcard.
func (g *Guard) resolvePattern(pattern string) string {
	prefix := literalPrefix(pattern)
	if len(prefix) == len(pattern) {
		return store.Resolve(pattern)
	}
	directory := filepath.Dir(prefix + "x")
	return filepath.Join(store.Resolve(directory), pattern[min(len(pattern), len(directory)):])
}

// matchName reports whether a file's name matches an include pattern, such as *.go,
// *.{js,ts}, src/**/*.go or !name.
func matchName(pattern, name string) bool {
	if rest, negated := strings.CutPrefix(pattern, "!"); negated {
		return !matchName(rest, name)
	}
	pattern = shell.Slashed(strings.ToLower(pattern))
	matched, err := doublestar.Match(pattern, strings.ToLower(name))
	if i := strings.LastIndexByte(pattern, '/'); i >= 0 && !matched {
		matched, _ = doublestar.Match(pattern[i+1:], strings.ToLower(name))
	}
	return matched || err != nil // what cannot be read may match
}

// matchPath reports whether a file is at or below what an absolute glob pattern
// matches.
func matchPath(pattern, file string) bool {
	pattern = strings.TrimRight(shell.Slashed(strings.ToLower(pattern)), "/")
	matched, err := doublestar.Match(pattern+"/**", shell.Slashed(strings.ToLower(file)))
	return matched || err != nil
}
