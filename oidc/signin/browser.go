package signin

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

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
	words := opener()
	if words == nil {
		return false
	}
	command := exec.Command(words[0], append(words[1:], address)...)
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

// opener is the command that opens an address, its last argument, or nil. The one of
// the BROWSER variable comes first, as most programs have it.
func opener() []string {
	command, _, _ := strings.Cut(os.Getenv("BROWSER"), string(os.PathListSeparator))
	if words := strings.Fields(command); len(words) > 0 {
		return words
	}
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
