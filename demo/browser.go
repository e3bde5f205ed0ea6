package main

import (
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"time"
)

// The helper opens a browser by running the command in BROWSER with an address.
// That command is this program again, with one of these flags.
const (
	byItself = "--browse-by-itself"   // a browser with nobody in front of it
	byPerson = "--browse-by-a-person" // the person's own
)

var browsers = map[string]func(address string) error{byItself: follow, byPerson: openForPerson}

// useBrowser makes this program the computer's browser. It is found by its
// name, since BROWSER is split at spaces.
func (c *computer) useBrowser(flag string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, name := filepath.Split(program)
	c.Environ = append(c.Environ, "BROWSER="+name+" "+flag,
		"PATH="+filepath.Clean(dir)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return nil
}

// hasNoBrowser makes sure that the helper finds no browser.
func (c *computer) hasNoBrowser() {
	c.Environ = append(c.Environ, "BROWSER=there-is-no-browser")
}

// follow requests the address and follows its redirects, with cookies.
func follow(address string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute}
	page, err := client.Get(address)
	if err != nil {
		return err
	}
	return page.Body.Close()
}
