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
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"mvdan.cc/sh/v3/pattern"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard/shell"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A Guard denies tool calls that would touch [Protected] files. It prevents mistakes, not
// attacks: a shell that runs as the same user can always find another way.
type Guard struct {
	places    store.Places
	directory string  // of the project; relative paths are relative to it
	kept      []place // directories and files at or below which nothing may be opened
	inside    []place // the existing files at or below kept, at most maxInside
	readOnly  []place // files that may be read but not changed
	allowed   bool    // agents may run oci-oidc-helper token and refresh
	windows   bool    // commands are for cmd or PowerShell, and paths may have drives

	until  time.Time          // when the judgement of a tool call ends
	looked map[string][]place // the results of look during the judgement of a tool call, or nil
	dots   bool               // wildcards match a leading dot, because a command has set an option
	feeds  bool               // the text on Windows, or one around it, passes names of files to commands; see denyCommand
}

// maxInside is the number of files in kept directories that are recognised through a hard
// link or found by a search.
const maxInside = 1000

// New returns the guard for a project directory. It reads the configuration and lists the
// protected files once; files that appear later are protected by their paths only.
func New(p store.Places, directory string) *Guard {
	protected := ProtectedIn(p, directory)
	c, err := config.Load(p, directory)
	g := &Guard{places: p, directory: directory, windows: runtime.GOOS == "windows", allowed: err == nil && c.AgentToken}
	for _, path := range append(protected.Trees, protected.Files...) {
		g.kept = append(g.kept, g.placeOf(path))
	}
	for _, path := range protected.ReadOnly {
		g.readOnly = append(g.readOnly, g.placeOf(path))
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

// denyPath judges an absolute path that a tool opens. write says that the tool may change it.
func (g *Guard) denyPath(path string, write bool) string {
	if expressions().processFiles.MatchString(filepath.ToSlash(path)) {
		return reasonFor(path)
	}
	opened := g.look(path)
	if expressions().processFiles.MatchString(filepath.ToSlash(opened[0].path)) {
		return reasonFor(path)
	}
	for _, parent := range opened {
		for _, kept := range g.kept {
			if parent.is(kept) {
				return reasonFor(kept.path)
			}
		}
	}
	// A hard link to a kept file has another path, so compare the files themselves.
	for _, file := range g.inside {
		if opened[0].is(file) {
			return reasonFor(file.path)
		}
	}
	if write {
		return g.denyWrite(opened[0])
	}
	return ""
}

// look returns the place of a path and all directories above it, innermost first.
func (g *Guard) look(path string) []place {
	places, known := g.looked[path]
	if !known {
		places = g.parents(g.placeOf(path))
		if g.looked != nil {
			g.looked[path] = places
		}
	}
	return places
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

// denyWrite judges a file that a tool may change.
func (g *Guard) denyWrite(changed place) string {
	for _, file := range g.readOnly {
		if changed.is(file) {
			return fmt.Sprintf("opencode-oci-oidc lets agents read %s, but not change it. Show the person what to change.", file.path)
		}
	}
	return ""
}

// denyGlob judges a search for file names below a directory. A search returns names only, but
// an agent that finds a file with a secret would try to open it next.
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

// denyGrep judges a search in the files of a directory. If include is not "", only files
// whose names match it are read.
func (g *Guard) denyGrep(include, from string) string {
	if reason := g.denyPath(from, false); reason != "" {
		return reason
	}
	return g.denyDescent(from, func(file, _ string) bool {
		return include == "" || matchName(include, filepath.Base(file))
	}, "include")
}

// denyDescent judges a program that reads the files below a directory, or below those that
// match a pattern, for which reads is true. option is what can exclude files from it, for the
// hint.
func (g *Guard) denyDescent(from string, reads func(file, below string) bool, option string) string {
	isRoot := g.placeOf(from).is
	if strings.ContainsAny(from, "*?[") && !g.isDirectory(from) {
		matches := g.wildcards(shell.Slashed(g.resolvePattern(from)))
		isRoot = func(p place) bool { return matches(shell.Slashed(p.path)) }
	}
	for _, file := range g.inside {
		parents := g.parents(file)
		if i := slices.IndexFunc(parents, isRoot); i >= 0 && reads(file.path, parents[i].path) {
			return fmt.Sprintf("%s Search a directory that does not contain it, or leave it out with %s.", reasonFor(file.path), option)
		}
	}
	return ""
}

// absolute returns the absolute path of a tool's argument.
func (g *Guard) absolute(name string) string { return g.absoluteIn(name, g.directory) }

// absoluteIn returns the absolute path of a name that is relative to directory.
func (g *Guard) absoluteIn(name, directory string) string {
	if g.windows {
		return windowsPath(name, directory, g.places.Home)
	}
	return g.places.Expand(strings.TrimPrefix(name, "file://"), directory)
}

// reasonFor is the reason for denying access to a protected path.
func reasonFor(path string) string {
	return fmt.Sprintf("opencode-oci-oidc keeps %s from agents, because it may hold a secret.", path)
}

// literalPrefix returns the part of a glob pattern before its first wildcard.
func literalPrefix(pattern string) string {
	if i := strings.IndexAny(pattern, "*?[{"+shell.Unknown); i >= 0 {
		pattern = pattern[:i]
	}
	return pattern
}

// resolvePattern resolves the symbolic links in the part of an absolute pattern before its
// first wildcard.
func (g *Guard) resolvePattern(pattern string) string {
	prefix := literalPrefix(pattern)
	if len(prefix) == len(pattern) {
		return g.resolve(pattern)
	}
	directory := filepath.Dir(prefix + "x")
	return filepath.Join(g.resolve(directory), pattern[min(len(pattern), len(directory)):])
}

// wildcards returns a function that reports whether a path matches a shell pattern. As in a
// POSIX shell, a wildcard does not match a leading dot; [shell.Unknown] does.
func (g *Guard) wildcards(text string) func(path string) bool {
	mode := pattern.Filenames | pattern.EntireString | pattern.NoGlobCase
	if g.windows || g.dots {
		mode |= pattern.GlobLeadingDot
	}
	text = expressions().collatingClass.ReplaceAllString(text, shell.Unknown)
	expression, err := pattern.Regexp(text, mode)
	if err != nil {
		return func(string) bool { return false }
	}
	matcher, err := regexp.Compile(strings.ReplaceAll(expression, shell.Unknown, "[^/]*"))
	if err != nil {
		return func(string) bool { return false }
	}
	return matcher.MatchString
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
	return matched || err != nil // a malformed pattern is taken to match
}

// matchValid is matchName, except that a malformed pattern matches nothing.
func matchValid(pattern, name string) bool {
	return doublestar.ValidatePattern(shell.Slashed(pattern)) && matchName(pattern, name)
}

// matchPath reports whether an absolute glob pattern matches the file or a directory above
// it.
func matchPath(pattern, file string) bool {
	pattern = strings.TrimRight(shell.Slashed(strings.ToLower(pattern)), "/")
	matched, err := doublestar.Match(pattern+"/**", shell.Slashed(strings.ToLower(file)))
	return matched || err != nil
}
