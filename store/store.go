// Package store is everything on disk: where files live, the configuration, the
// client secret, the saved tokens with their lock and, if they are encrypted, their
// key in the system's keyring, and who may read them.
//
// It promises that a file of ours is never half-written, never readable by
// another user, and never erased before its successor is safe. It refuses what
// it does not understand with a message that names the file and the line.
// It knows nothing of the network.
package store

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/adrg/xdg"
)

const appName = "opencode-oci-oidc"

// ConfigName is the name of the configuration file.
const ConfigName = "oci-auth.config.jsonc"

// Places are the directories and files of one user on this machine.
type Places struct {
	// Home is the user's home directory, or "" where there is none.
	Home string
	// ConfigDirs are OpenCode's own configuration directories, best first.
	ConfigDirs []string
	// StateDir holds the saved tokens and their locks, or is "" where there is no
	// place for them.
	StateDir string
	// LogFile is where the log goes unless the configuration says otherwise.
	LogFile string
	// TrustedProject is the project directory whose configuration is believed
	// unseen, for CI, or "".
	TrustedProject string
}

// FindPlaces reads them from the environment.
func FindPlaces() Places {
	home, _ := os.UserHomeDir()
	p := Places{
		Home:     home,
		StateDir: filepath.Join(xdg.StateHome, appName),

		TrustedProject: os.Getenv("OCI_OIDC_TRUST_PROJECT"),
	}
	// Without a home there is no log, and tokens live in memory.
	if home != "" {
		p.LogFile = filepath.Join(home, "oci-oidc-debug.log")
	} else if os.Getenv("XDG_STATE_HOME") == "" {
		p.StateDir = ""
	}
	if runtime.GOOS == "windows" {
		p.LogFile = filepath.Join(xdg.StateHome, appName, "plugin.log")
	}
	// OpenCode looks below XDG_CONFIG_HOME, and below ~/.config on every
	// platform; xdg.ConfigHome would be elsewhere on macOS and Windows.
	p.addConfigDir(os.Getenv("XDG_CONFIG_HOME"))
	if home != "" {
		p.addConfigDir(filepath.Join(home, ".config"))
	}
	if runtime.GOOS == "windows" {
		p.addConfigDir(os.Getenv("APPDATA"))
	}
	return p
}

func (p *Places) addConfigDir(base string) {
	if base == "" {
		return
	}
	dir := filepath.Join(base, "opencode")
	for _, known := range p.ConfigDirs {
		if known == dir {
			return
		}
	}
	p.ConfigDirs = append(p.ConfigDirs, dir)
}

// ConfigPaths are the paths at which the configuration of a project directory
// is looked for, in that order.
func (p Places) ConfigPaths(directory string) []string {
	var paths []string
	for _, dir := range append([]string{directory}, p.ConfigDirs...) {
		paths = append(paths, filepath.Join(dir, ConfigName))
	}
	return paths
}

// expand returns path with a leading ~ replaced by the home directory, and made
// absolute below base.
func (p Places) expand(path, base string) string {
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		return filepath.Join(p.Home, path[1:])
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}
