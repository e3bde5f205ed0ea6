// Package store has the files of this user: where they are, and how they are kept private,
// locked, and replaced as a whole.
//
// A file of ours is never half-written, never readable by another user, and never erased
// before its successor is on the disk. The package knows neither the content of the files nor
// the network.
package store

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/adrg/xdg"
)

// AppName names the directory of the saved state.
const AppName = "opencode-oci-oidc"

// AppDir names OpenCode's own directories of configuration.
const AppDir = "opencode"

// Places are the directories and files of one user on this machine.
type Places struct {
	// Home is the user's home directory, or "" where there is none.
	Home string
	// ConfigDirs are OpenCode's own configuration directories, best first.
	ConfigDirs []string
	// ManagedDir is OpenCode's directory for what this machine's administrator manages,
	// or "".
	ManagedDir string
	// Administrator is the ID of the user who must own ManagedDir on Unix: 0, which is
	// root, except in tests.
	Administrator int
	// StateDir holds the saved tokens and their locks; it is "" if there is no place for
	// them.
	StateDir string
	// LogFile is where the log goes unless the configuration says otherwise.
	LogFile string
	// TrustedProject is the project directory whose configuration is trusted without a
	// confirmation, for CI, or "".
	TrustedProject string
}

// Set by the linker, in tests only (-X). They are no environment variables, because
// everybody could then be the administrator.
var managedDir, administrator string

// FindPlaces reads the places from the environment. A variable without an absolute path
// counts as not set (XDG Base Directory Specification): a relative path would name another
// directory in each project, and the project could fill it. A leading ~/ is expanded.
func FindPlaces() Places {
	p := Places{TrustedProject: os.Getenv("OCI_OIDC_TRUST_PROJECT")}
	if home, _ := os.UserHomeDir(); filepath.IsAbs(home) {
		p.Home = filepath.Clean(home)
	}
	state := p.directory("XDG_STATE_HOME")
	// Without a home there is no log, and tokens live in memory.
	if state == "" && p.Home != "" && filepath.IsAbs(xdg.StateHome) {
		state = xdg.StateHome
	}
	if state != "" {
		p.StateDir = filepath.Join(state, AppName)
	}
	switch {
	case runtime.GOOS == "windows" && p.StateDir != "":
		p.LogFile = filepath.Join(p.StateDir, "plugin.log")
	case runtime.GOOS != "windows" && p.Home != "":
		p.LogFile = filepath.Join(p.Home, "oci-oidc-debug.log")
	}
	// OpenCode looks below XDG_CONFIG_HOME, and below ~/.config on every
	// platform; xdg.ConfigHome would be elsewhere on macOS and Windows.
	p.addConfigDir(p.directory("XDG_CONFIG_HOME"))
	if p.Home != "" {
		p.addConfigDir(filepath.Join(p.Home, ".config"))
	}
	if runtime.GOOS == "windows" {
		p.addConfigDir(p.directory("APPDATA"))
	}
	if p.ManagedDir = managedDir; p.ManagedDir == "" && systemDir() != "" {
		p.ManagedDir = filepath.Join(systemDir(), AppDir)
	}
	p.Administrator, _ = strconv.Atoi(administrator)
	return p
}

// directory returns the absolute path that a variable of the environment names, or "".
func (p Places) directory(variable string) string {
	value := os.Getenv(variable)
	if p.Home != "" && hasTilde(value) {
		value = p.Expand(value, "")
	}
	if !filepath.IsAbs(value) {
		return ""
	}
	return filepath.Clean(value)
}

// Ignored returns the variables of the environment that should name a directory and
// do not, so that they count as not set.
func (p Places) Ignored() (variables []string) {
	home := "HOME"
	if runtime.GOOS == "windows" {
		home = "USERPROFILE"
	}
	if value := os.Getenv(home); value != "" && p.Home == "" {
		variables = append(variables, home)
	}
	for _, name := range []string{"XDG_CONFIG_HOME", "XDG_STATE_HOME"} {
		if os.Getenv(name) != "" && p.directory(name) == "" {
			variables = append(variables, name)
		}
	}
	return variables
}

// Misnamed says which variables of the environment are ignored, or that there is no home
// directory, and what to do. It returns "" if all is well.
func (p Places) Misnamed() (message, hint string) {
	switch ignored := p.Ignored(); {
	case len(ignored) == 1:
		message = ignored[0] + " does not name a directory by its whole path and is ignored: it would be another one in each project."
	case len(ignored) > 1:
		message = strings.Join(ignored, " and ") + " do not name directories by their whole paths and are ignored: they would be others in each project."
	case p.Home == "":
		return "There is no home directory.", "Set HOME to the whole path of yours."
	default:
		return "", ""
	}
	return message, "Write the whole path, such as " + filepath.Join(cmp.Or(p.Home, "/home/you"), ".config") + ", or unset it."
}

func (p *Places) addConfigDir(base string) {
	if dir := filepath.Join(base, AppDir); base != "" && !slices.Contains(p.ConfigDirs, dir) {
		p.ConfigDirs = append(p.ConfigDirs, dir)
	}
}

// Outside returns the places for a project directory: a directory of the configuration or of
// the state that is in it counts as not set, because whatever is in a project is the
// project's, even if the environment names it with its whole path. ~/.config/opencode stays,
// and so do all if the project contains the home directory.
func (p Places) Outside(project string) Places {
	if p.Home != "" && (SamePath(p.Home, project) || inside(p.Home, project)) {
		return p
	}
	usual := filepath.Join(p.Home, ".config", AppDir)
	p.ConfigDirs = slices.DeleteFunc(slices.Clone(p.ConfigDirs), func(dir string) bool { return dir != usual && inside(dir, project) })
	if inside(p.StateDir, project) {
		p.StateDir = ""
	}
	return p
}

// inside reports whether path is below tree, also by a link or in other letters.
func inside(path, tree string) bool {
	if path == "" {
		return false
	}
	path = Resolve(path)
	for parent := filepath.Dir(path); parent != path; parent = filepath.Dir(path) {
		if SamePath(parent, tree) {
			return true
		}
		path = parent
	}
	return false
}

// Homeless reports whether path begins with ~ although there is no home directory.
func (p Places) Homeless(path string) bool { return p.Home == "" && hasTilde(path) }

func hasTilde(path string) bool {
	return path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`)
}

// Expand returns path with a leading ~ replaced by the home directory, and made
// absolute below base.
func (p Places) Expand(path, base string) string {
	if hasTilde(path) {
		return filepath.Join(p.Home, path[1:])
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}
