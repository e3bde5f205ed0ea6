package store

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Guard keeps an agent's tools away from the client secret, the saved tokens
// and the configuration that holds a secret. It prevents mistakes; a shell that
// runs as the same user can always find another way.
type Guard struct {
	places    Places
	directory string
	trees     []string // nothing below these may be touched
	files     []string // nor may these
}

// NewGuard returns the guard for a project directory. Its rules are read from
// the disk as it is now.
func (p Places) NewGuard(directory string) *Guard {
	g := &Guard{places: p, directory: directory, trees: []string{resolve(p.StateDir)}}
	if p.Home != "" {
		g.trees = append(g.trees, resolve(filepath.Join(p.Home, ".secrets")))
	}
	for _, path := range p.ConfigPaths(directory) {
		text, err := readLimited(path, maxConfigSize)
		if err != nil {
			continue
		}
		var file configFile
		check := decodeObject(path, text, &file)
		ref := p.secretRef(check, file.ClientSecret)
		switch {
		case ref.file != "":
			g.files = append(g.files, resolve(ref.file))
		case check.broken || !ref.None():
			g.files = append(g.files, resolve(path))
		}
	}
	return g
}

// toolArgs are the arguments of OpenCode's tools that name files.
type toolArgs struct {
	FilePath  string `json:"filePath"`
	Path      string `json:"path"`
	Pattern   string `json:"pattern"`
	Include   string `json:"include"`
	Command   string `json:"command"`
	Workdir   string `json:"workdir"`
	PatchText string `json:"patchText"`
}

// Deny returns why a tool call may not go on, or "" when it may.
func (g *Guard) Deny(tool string, args json.RawMessage) string {
	var a toolArgs
	// An argument of another type leaves the others readable.
	_ = json.Unmarshal(args, &a)
	switch tool {
	case "read", "edit", "write", "multiedit", "lsp":
		return g.denyPath(a.FilePath)
	case "list":
		return g.denyPath(a.Path)
	case "apply_patch", "patch":
		return g.denyText(a.PatchText)
	case "glob":
		return g.denyPath(g.places.expand(literalPrefix(a.Pattern), g.absolute(a.Path)))
	case "grep":
		return g.denySearch(a.Path)
	case "bash":
		if reason := g.denyPath(a.Workdir); reason != "" {
			return reason
		}
		return g.denyText(a.Command)
	default:
		return ""
	}
}

// denyPath judges a path that a tool opens.
func (g *Guard) denyPath(path string) string {
	if path == "" {
		return ""
	}
	path = resolve(g.absolute(path))
	for _, tree := range g.trees {
		if within(path, tree) {
			return reasonFor(tree)
		}
	}
	if slices.ContainsFunc(g.files, func(file string) bool { return samePath(path, file) }) {
		return reasonFor(path)
	}
	return ""
}

// denySearch judges a directory whose files a tool reads.
func (g *Guard) denySearch(path string) string {
	if reason := g.denyPath(g.absolute(path)); reason != "" {
		return reason
	}
	from := resolve(g.absolute(path))
	for _, hidden := range append(slices.Clone(g.trees), g.files...) {
		if _, err := os.Lstat(hidden); err == nil && within(hidden, from) {
			return reasonFor(hidden) + " Search a directory that does not contain it."
		}
	}
	return ""
}

// denyText judges a text, such as a shell command, by the names it mentions.
func (g *Guard) denyText(text string) string {
	text = filepath.ToSlash(text)
	for _, hidden := range append(slices.Clone(g.trees), g.files...) {
		for _, name := range g.namesOf(hidden) {
			if strings.Contains(text, name) {
				return reasonFor(hidden)
			}
		}
	}
	return ""
}

// namesOf are the texts by which a command most likely names a path.
func (g *Guard) namesOf(path string) []string {
	names := []string{filepath.ToSlash(path)}
	switch base := filepath.Base(path); base {
	case ".secrets", ConfigName:
		names = append(names, base)
	case appName:
		names = append(names, "/"+base+"/", "state/"+base)
	}
	if rel, err := filepath.Rel(resolve(g.places.Home), path); err == nil && filepath.IsLocal(rel) {
		rel = filepath.ToSlash(rel)
		names = append(names, "~/"+rel, "$HOME/"+rel, "${HOME}/"+rel)
	}
	return names
}

func (g *Guard) absolute(path string) string { return g.places.expand(path, g.directory) }

func reasonFor(path string) string {
	return fmt.Sprintf("opencode-oci-oidc keeps %s from agents, because it may hold a secret.", path)
}

// literalPrefix is the part of a glob pattern before its first wildcard.
func literalPrefix(pattern string) string {
	if i := strings.IndexAny(pattern, "*?[{"); i >= 0 {
		pattern = pattern[:i]
	}
	return pattern
}

// resolve follows the links of as much of path as exists.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
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

// samePath compares as a file system may: links and case apart, by identity.
func samePath(a, b string) bool {
	if a == b {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
