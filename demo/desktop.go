package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/cli/browser"
)

// setAside are variables through which OpenCode would find the person's own files. The
// person's browser needs them, so they are kept for it under other names.
var setAside = []string{
	"HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TMPDIR", "PATH", "BROWSER",
	"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
}

const asidePrefix = "OCI_OIDC_DEMO_OWN_"

// joinDesktop gives the computer access to the person's terminal, desktop and browser, but
// not to their OpenCode.
func (c *computer) joinDesktop() error {
	c.Environ = slices.DeleteFunc(c.Environ, func(v string) bool { return strings.HasPrefix(v, "NO_COLOR=") })
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		switch {
		case strings.HasPrefix(name, "OPENCODE"):
		case slices.Contains(setAside, name):
			c.Environ = append(c.Environ, asidePrefix+variable)
		default:
			c.Environ = append(c.Environ, variable)
		}
	}
	return c.useBrowser(byPerson)
}

// openForPerson opens the address as it would be opened outside the demo.
func openForPerson(address string) error {
	for _, name := range setAside {
		value, was := os.LookupEnv(asidePrefix + name)
		err := os.Unsetenv(name)
		if was {
			err = os.Setenv(name, value)
		}
		if err != nil {
			return err
		}
	}
	if words := strings.Fields(os.Getenv("BROWSER")); len(words) > 0 {
		return exec.Command(words[0], append(words[1:], address)...).Run()
	}
	return browser.OpenURL(address)
}
