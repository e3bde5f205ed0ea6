package signin

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestOpenBrowser: only https URLs, and http URLs on this machine, are opened.
func TestOpenBrowser(t *testing.T) {
	t.Setenv("CI", "")
	opened := browserThatNotes(t)
	for _, address := range []string{"", "--help", "file:///etc/passwd", "javascript:alert(1)", "http://idcs.example/", "https://u:p@idcs.example/", "https:opaque"} {
		if OpenBrowser(address, nil) {
			t.Errorf("%q would be opened", address)
		}
	}
	const good = "https://idcs.example/ui/v1/device"
	notes := opened()
	OpenBrowser(good, nil)
	if then := opened(); notes != "" || then != good+"|" {
		t.Errorf("opened %q, then %q", notes, then)
	}
}

// A text browser, which would take over the terminal, must not be started.
func TestTextBrowserIsNotStarted(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"xdg-open", "open", "wslview"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv("BROWSER", "")
	t.Setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
	if OpenBrowser("http://127.0.0.1:8888/", nil) {
		t.Error("a browser was opened over SSH")
	}
}

// browserThatNotes is what openBrowser starts: it returns what was to be opened.
func browserThatNotes(t *testing.T) func() string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a shell script is no program on Windows")
	}
	notes := filepath.Join(t.TempDir(), "notes")
	program := filepath.Join(t.TempDir(), "browser")
	writeFile(t, program, "#!/bin/sh\nprintf '%s|' \"$@\" > "+notes+"\n")
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BROWSER", program)
	patience := browserPatience
	browserPatience = time.Minute // the program ends by itself, and a busy machine may take long to start it
	t.Cleanup(func() { browserPatience = patience })
	return func() string {
		text, _ := os.ReadFile(notes)
		_ = os.Remove(notes)
		return string(text)
	}
}

// The variable BROWSER has the meaning that it has for other programs.
func TestBrowserVariable(t *testing.T) {
	t.Setenv("CI", "")
	opened := browserThatNotes(t)
	program := os.Getenv("BROWSER")
	const address = "https://idcs.example/ui/v1/device?code=%73&next=%c"
	spaced := filepath.Join(t.TempDir(), "Program Files (x86)")
	if err := os.Symlink(program, spaced); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ browser, noted string }{
		{program, address + "|"},
		{program + " --new-window", "--new-window|" + address + "|"},
		{program + " --new-window %s", "--new-window|" + address + "|"},
		{program + " %s --new-window", address + "|--new-window|"},
		{program + ` "%s"`, address + "|"},
		{program + " --app='%s' &", "--app=" + address + "|"},
		{program + " 100%% a%cb %s", "100%|a:b|" + address + "|"},
		{program + ` --profile "Ada Lovelace" %s`, "--profile|Ada Lovelace|" + address + "|"},
		{program + ` -a 'it "is"' ""`, `-a|it "is"||` + address + "|"},
		{`"` + program + `" %s`, address + "|"},
		{"'" + program + "'", address + "|"},
		{" " + program + " ", address + "|"},
		{spaced, address + "|"},
		{`"` + spaced + `" --new-window`, "--new-window|" + address + "|"},
		{"/nonexistent:" + spaced, address + "|"},
		{"none", ""},
		{`"`, ""},
		{"/nonexistent:" + program, address + "|"},
		{"/nonexistent --new-window %s:" + program + " -x %s", "-x|" + address + "|"},
		{"false:" + program, address + "|"},
		{"::" + program, address + "|"},
		{program + ":false", address + "|"},
		{"/nonexistent", ""},
		{"false:/nonexistent", ""},
	} {
		t.Setenv("BROWSER", row.browser)
		_ = opened()
		if OpenBrowser(address, os.Environ()) != (row.noted != "") {
			t.Errorf("%s: opened: %v", row.browser, row.noted == "")
		}
		if noted := opened(); noted != row.noted {
			t.Errorf("%s: %q, want %q", row.browser, noted, row.noted)
		}
	}
}
