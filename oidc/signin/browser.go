package signin

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/place"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
)

// browserPatience is how long OpenBrowser waits for a command to fail. A command that runs
// longer is taken for a browser that stays in the foreground.
var browserPatience = 500 * time.Millisecond

// OpenBrowser opens the address in a browser and reports whether that seems to have worked.
// It tries nothing where no browser window can open, because some systems would start a
// text browser in the person's terminal. environ is the browser's environment; its output
// is discarded. OpenBrowser returns after at most 0.5 s for each command that it tries.
func OpenBrowser(address string, environ []string) bool {
	if !place.Browser() || !discovery.SecureURL(address) {
		return false
	}
	return slices.ContainsFunc(openers(address), func(words []string) bool { return starts(words, environ) })
}

// starts runs a command and reports whether it succeeds or still runs after browserPatience.
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

// openers returns the commands that may open the address, to be tried in order: those in
// the variable BROWSER, or if it is empty, the system's own. BROWSER is read as by xdg-open,
// sensible-browser and Python: a list separated like PATH, in which %s is the address (added
// as the last word if missing), %c a colon and %% a percent sign.
func openers(address string) [][]string {
	var commands [][]string
	for command := range strings.SplitSeq(os.Getenv("BROWSER"), string(os.PathListSeparator)) {
		words := commandWords(command)
		if len(words) > 0 && words[len(words)-1] == "&" { // "in the background" in a shell; we do not wait anyway
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

// commandWords splits a command into words, with quotes as in a shell. The path of an
// existing program may contain spaces without being quoted, as is usual on Windows.
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

// opener returns this system's command that opens the address appended to it, or nil.
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
		return windows // WSL can run programs of the Windows that it is part of
	}
	return nil
}
