package store

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/adrg/xdg"
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
