package oidc

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/cli/browser"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/place"
)

// browserPatience is how long a browser command has to fail: one that runs
// longer is a browser that stays in the foreground.
const browserPatience = 500 * time.Millisecond

func init() { browser.Stdout, browser.Stderr = io.Discard, io.Discard }

// openBrowser opens the address and reports whether that seems to have worked.
// Where no browser can be, none is tried: some systems would open one made of
// text, in the middle of somebody's terminal.
// The command of the BROWSER variable comes first, as most programs have it; it
// gets the address as its last argument. Nothing of it reaches our own output.
func openBrowser(address string) bool {
	if !place.Browser() || !secureURL(address) {
		return false
	}
	failed := make(chan error, 1)
	go func() { failed <- runBrowser(address) }()
	select {
	case err := <-failed:
		return err == nil
	case <-time.After(browserPatience):
		return true
	}
}

func runBrowser(address string) error {
	command, _, _ := strings.Cut(os.Getenv("BROWSER"), string(os.PathListSeparator))
	if words := strings.Fields(command); len(words) > 0 {
		return exec.Command(words[0], append(words[1:], address)...).Run()
	}
	if _, err := exec.LookPath("wslview"); place.WSL() && err != nil {
		return exec.Command("rundll32.exe", "url.dll,FileProtocolHandler", address).Run() // the browser of Windows
	}
	return browser.OpenURL(address)
}
