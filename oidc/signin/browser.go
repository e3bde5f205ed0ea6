package signin

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/place"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
)

// browserPatience is how long a browser command has to fail: one that runs
// longer is a browser that stays in the foreground.
const browserPatience = 500 * time.Millisecond

// OpenBrowser opens the address and reports whether that seems to have worked.
// Where no browser can be, none is tried: some systems would open one made of
// text, in the middle of somebody's terminal. The browser gets the environment that
// is given, and nothing of it reaches our own output.
func OpenBrowser(address string, environ []string) bool {
	if !place.Browser() || !domain.SecureURL(address) {
		return false
	}
	return slices.ContainsFunc(openers(address), func(words []string) bool { return starts(words, environ) })
}

// starts reports whether a command seems to be a browser that works.
func starts(words, environ []string) bool {
	command := exec.Command(words[0], words[1:]...)
	command.Env = environ
	failed := make(chan error, 1)
	go func() { failed <- command.Run() }()
	select {
	case err := <-failed:
		return err == nil
	case <-time.After(browserPatience):
		return true
	}
}

// openers are the commands that may open the address, to be tried one after the other.
// The variable BROWSER has some, as xdg-open, sensible-browser and Python read it:
// separated as PATH is, with %s for the address, which is the last word otherwise, and
// %c and %% for a colon and a percent sign. Where it is set, no other is tried.
func openers(address string) [][]string {
	var commands [][]string
	for _, command := range filepath.SplitList(os.Getenv("BROWSER")) {
		words := commandWords(command)
		if len(words) > 0 && words[len(words)-1] == "&" { // for a shell: we do not wait either
			words = words[:len(words)-1]
		}
		if len(words) == 0 {
			continue
		}
		if !strings.Contains(command, "%s") {
			words = append(words, "%s")
		}
		commands = append(commands, words)
	}
	if commands == nil {
		if words := opener(); words != nil {
			commands = [][]string{append(words, "%s")}
		}
	}
	for _, words := range commands {
		for i, word := range words {
			words[i] = strings.NewReplacer("%s", address, "%c", ":", "%%", "%").Replace(word)
		}
	}
	return commands
}

// commandWords splits a command as a shell does, as far as quotes go. A program whose path
// has a space in it, as on Windows and in its WSL, may be written without them.
func commandWords(command string) (words []string) {
	if _, err := os.Stat(strings.TrimSpace(command)); err == nil {
		return []string{strings.TrimSpace(command)}
	}
	var word strings.Builder
	quote, begun := rune(0), false
	end := func() {
		if begun {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	for _, r := range command {
		switch {
		case quote == 0 && unicode.IsSpace(r):
			end()
			continue
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case r == quote:
			quote = 0
		default:
			word.WriteRune(r)
		}
		begun = true
	}
	end()
	return words
}

// opener is this system's command that opens an address, its last argument, or nil.
func opener() []string {
	windows := []string{"rundll32.exe", "url.dll,FileProtocolHandler"}
	switch runtime.GOOS {
	case "windows":
		return windows
	case "darwin":
		return []string{"open"}
	}
	programs := []string{"xdg-open", "x-www-browser", "www-browser"}
	if place.WSL() {
		programs = []string{"wslview"}
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			return []string{program}
		}
	}
	if place.WSL() {
		return windows // of the Windows around it
	}
	return nil
}
