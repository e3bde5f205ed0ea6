// Package store keeps the files of this user: where they live, and that they are
// private, locked, and replaced as a whole.
//
// It promises that a file of ours is never half-written, never readable by another
// user, and never erased before its successor is safe. It knows neither what is in
// the files nor the network.
package store

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/adrg/xdg"
)

const AppName = "opencode-oci-oidc"

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
		StateDir: filepath.Join(xdg.StateHome, AppName),

		TrustedProject: os.Getenv("OCI_OIDC_TRUST_PROJECT"),
	}
	// Without a home there is no log, and tokens live in memory.
	if home != "" {
		p.LogFile = filepath.Join(home, "oci-oidc-debug.log")
	} else if os.Getenv("XDG_STATE_HOME") == "" {
		p.StateDir = ""
	}
	if runtime.GOOS == "windows" {
		p.LogFile = filepath.Join(xdg.StateHome, AppName, "plugin.log")
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

// Expand returns path with a leading ~ replaced by the home directory, and made
// absolute below base.
func (p Places) Expand(path, base string) string {
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		return filepath.Join(p.Home, path[1:])
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}
