package store

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/adrg/xdg"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
)

// The person's own directories have absolute paths, whatever the environment says and wherever
// the program is started.
func TestFindPlaces(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths are those of a Unix")
	}
	home := t.TempDir()
	config := func(dirs ...string) string {
		var all []string
		for _, dir := range dirs {
			all = append(all, filepath.Join(dir, "opencode"))
		}
		return strings.Join(all, " ")
	}
	inHome := config(filepath.Join(home, ".config"))
	for _, row := range []struct {
		home, config, state string
		dirs                string
		stateHome           string // "" for none, "-" for the system's usual one
		ignored             string
	}{
		{home, "", "", inHome, "-", ""},
		{home, "/etc/mine", "/var/mine", config("/etc/mine") + " " + inHome, "/var/mine", ""},
		{home, "/etc/mine/../yours/", "/var//mine/", config("/etc/yours") + " " + inHome, "/var/mine", ""},
		{home, home + "/.config", "", inHome, "-", ""},
		{home, "~/.config", "~/state", inHome, filepath.Join(home, "state"), ""},
		{home, "~/conf", "~", config(filepath.Join(home, "conf")) + " " + inHome, home, ""},
		{home, "~ada/.config", "~ada", inHome, "-", "XDG_CONFIG_HOME XDG_STATE_HOME"},
		{home, "conf", "state", inHome, "-", "XDG_CONFIG_HOME XDG_STATE_HOME"},
		{home, ".", ".", inHome, "-", "XDG_CONFIG_HOME XDG_STATE_HOME"},
		{home, "./.config", "../state", inHome, "-", "XDG_CONFIG_HOME XDG_STATE_HOME"},
		{home, " /etc", `C:\state`, inHome, "-", "XDG_CONFIG_HOME XDG_STATE_HOME"},
		{home, "", "$PWD/state", inHome, "-", "XDG_STATE_HOME"},
		{"", "", "", "", "", ""},
		{"", "/etc/mine", "/var/mine", config("/etc/mine"), "/var/mine", ""},
		{"", "~/.config", "~/state", "", "", "XDG_CONFIG_HOME XDG_STATE_HOME"},
		{".", "", "", "", "", "HOME"},
		{"ada", "~/.config", "state", "", "", "HOME XDG_CONFIG_HOME XDG_STATE_HOME"},
		{"~", "", "", "", "", "HOME"},
		{"/", "", "/var/mine", config("/.config"), "/var/mine", ""},
	} {
		t.Run(strings.Join([]string{row.home, row.config, row.state}, ","), func(t *testing.T) {
			t.Setenv("HOME", row.home)
			t.Setenv("XDG_CONFIG_HOME", row.config)
			t.Setenv("XDG_STATE_HOME", row.state)
			xdg.Reload()
			p := FindPlaces()
			if got := strings.Join(p.ConfigDirs, " "); got != row.dirs {
				t.Errorf("configurations are in %q, want %q", got, row.dirs)
			}
			want := filepath.Join(row.stateHome, AppName)
			switch {
			case row.stateHome == "-":
				want = filepath.Join(xdg.StateHome, AppName)
			case row.stateHome == "":
				want = ""
			}
			if p.StateDir != want {
				t.Errorf("tokens are in %q, want %q", p.StateDir, want)
			}
			if got := strings.Join(p.Ignored(), " "); got != row.ignored {
				t.Errorf("ignored is %q, want %q", got, row.ignored)
			}
			for _, path := range append(slices.Clone(p.ConfigDirs), p.StateDir, p.LogFile, p.Home) {
				if path != "" && !filepath.IsAbs(path) {
					t.Errorf("%q depends on where the program is started", path)
				}
			}
		})
	}
}

// A directory that is in the project is not the person's own, whatever names it.
func TestOutsideOfAProject(t *testing.T) {
	base := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{base}, parts...)...) }
	for _, dir := range []string{"home/project/conf/opencode", "home/project/home/.config/opencode", "home/.config/opencode", "elsewhere/opencode", "project2"} {
		if err := os.MkdirAll(at(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	disktest.Link(t, at("home/project/conf"), at("link"))
	disktest.Link(t, at("home/project"), at("way"))
	usual := at("home/.config/opencode")
	for _, row := range []struct {
		name, home, config, state, project string
		own, keepsState                    bool
	}{
		{"elsewhere", "home", "elsewhere", "elsewhere/state", "home/project", true, true},
		{"in it", "home", "home/project/conf", "home/project/state", "home/project", false, false},
		{"in it, by a link", "home", "link", "link/state", "home/project", false, false},
		{"in it, which is named by a link", "home", "home/project/conf", "home/project/state", "way", false, false},
		{"in another project", "home", "home/project/conf", "home/project/state", "project2", true, true},
		{"in another project whose name begins so", "home", "project2", "project2/state", "project", true, true},
		{"above it", "home", "home", "home/state", "home/project", true, true},
		{"the project is the home", "home", "home/project/conf", "home/project/state", "home", true, true},
		{"the project contains the home", "home", "home/project/conf", "home/project/state", ".", true, true},
		{"the home contains a home, and is the project", "home/project/home", "home/project/conf", "home/state", "home/project", true, true},
		{"the project is the directory itself", "home", "elsewhere", "home/state", "elsewhere/opencode", true, true},
		{"the project is the usual directory", "home", "home/.config", "home/state", "home/.config/opencode", true, true},
		{"the project is above the usual directory", "home", "home/.config", "home/state", "home/.config", true, true},
		{"no home", "", "home/project/conf", "", "home/project", false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := Places{}
			if row.home != "" {
				p.Home = at(row.home)
			}
			p.addConfigDir(at(row.config))
			if row.home != "" {
				p.addConfigDir(at(row.home, ".config"))
			}
			if row.state != "" {
				p.StateDir = at(row.state)
			}
			got := p.Outside(at(row.project))
			if own := slices.Contains(got.ConfigDirs, at(row.config, AppDir)); own != row.own {
				t.Errorf("own is %v: %q", own, got.ConfigDirs)
			}
			if row.home == "home" && !slices.Contains(got.ConfigDirs, usual) {
				t.Errorf("%q has no %s", got.ConfigDirs, usual)
			}
			if (got.StateDir == p.StateDir) != row.keepsState {
				t.Errorf("state in %q", got.StateDir)
			}
		})
	}
}

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		dir:                                 true,
		filepath.Join(dir, "to", "be made"): true,
		file:                                false,
		filepath.Join(file, "below"):        false,
		"":                                  false,
	} {
		if err := Writable(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
}
