package signin

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
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
	notes, _ := opened(false)
	if then, _ := opened(OpenBrowser(good, nil)); notes != "" || then != good+"|" {
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

// browserThatNotes is [domaintest.NotingBrowser], which ends by itself: a busy machine may take
// long to start it, or to find that a program fails.
func browserThatNotes(t *testing.T) (notes func(started bool) (args, environ string)) {
	patience := browserPatience
	browserPatience = time.Minute
	t.Cleanup(func() { browserPatience = patience })
	return domaintest.NotingBrowser(t)
}

// The variable BROWSER has the meaning that it has for other programs.
func TestBrowserVariable(t *testing.T) {
	t.Setenv("CI", "")
	opened := browserThatNotes(t)
	program := os.Getenv("BROWSER")
	const address = "https://idcs.example/ui/v1/device?code=%73&next=%c"
	spaced := filepath.Join(t.TempDir(), "Program Files (x86)", filepath.Base(program))
	copied, err := os.ReadFile(program)
	if err := errors.Join(err, os.Mkdir(filepath.Dir(spaced), 0o700), os.WriteFile(spaced, copied, 0o700)); err != nil {
		t.Fatal(err)
	}
	set := func(browser string) {
		t.Setenv("BROWSER", strings.ReplaceAll(browser, "<:>", string(os.PathListSeparator)))
	}
	// The words of the last program that it names.
	for _, row := range []struct{ browser, words string }{
		{program, program + "|" + address},
		{program + " --new-window", program + "|--new-window|" + address},
		{program + " --new-window %s", program + "|--new-window|" + address},
		{program + " %s --new-window", program + "|" + address + "|--new-window"},
		{program + ` "%s"`, program + "|" + address},
		{program + " --app='%s' &", program + "|--app=" + address},
		{program + " 100%% a%cb %s", program + "|100%|a:b|" + address},
		{program + ` --profile "Ada Lovelace" %s`, program + "|--profile|Ada Lovelace|" + address},
		{program + ` -a 'it "is"' ""`, program + `|-a|it "is"||` + address},
		{`"` + program + `" %s`, program + "|" + address},
		{"'" + program + "'", program + "|" + address},
		{" " + program + " ", program + "|" + address},
		{spaced, spaced + "|" + address},
		{`"` + spaced + `" --new-window`, spaced + "|--new-window|" + address},
		{"/nonexistent<:>" + spaced, spaced + "|" + address},
		{"<:><:>" + program, program + "|" + address},
	} {
		set(row.browser)
		commands := openers(address)
		if got := strings.Join(commands[len(commands)-1], "|"); got != row.words {
			t.Errorf("%s: %s, want %s", row.browser, got, row.words)
		}
	}
	// The arguments of the program that is started.
	for _, row := range []struct{ browser, noted string }{
		{`"` + spaced + `" --new-window`, "--new-window|" + address + "|"},
		{"/nonexistent --new-window %s<:>" + program + " -x %s", "-x|" + address + "|"},
		{"false<:>" + program, address + "|"},
		{program + "<:>false", address + "|"},
		{"none", ""},
		{`"`, ""},
		{"/nonexistent", ""},
		{"false<:>/nonexistent", ""},
	} {
		set(row.browser)
		started := OpenBrowser(address, os.Environ())
		if started != (row.noted != "") {
			t.Errorf("%s: opened: %v", row.browser, started)
		}
		if noted, _ := opened(started); noted != row.noted {
			t.Errorf("%s: %q, want %q", row.browser, noted, row.noted)
		}
	}
}
