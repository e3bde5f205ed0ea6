package main

import (
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"time"
)

// The helper opens a browser by running the command in BROWSER with an address.
// That command is this program again, with this flag.
const browserFlag = "--browser"

// useOwnBrowser gives the computer a browser that follows wherever it is sent, with
// nobody in front of it. It is found by its name, since BROWSER is split at spaces.
func (c *computer) useOwnBrowser() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, name := filepath.Split(program)
	c.Environ = append(c.Environ, "BROWSER="+name+" "+browserFlag,
		"PATH="+filepath.Clean(dir)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return nil
}

// hasNoBrowser makes sure that none is found.
func (c *computer) hasNoBrowser() {
	c.Environ = append(c.Environ, "BROWSER=there-is-no-browser")
}

// beBrowser opens the address, follows the redirects, cookies and all, and returns
// the exit code.
func beBrowser(address string) int {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return 1
	}
	browser := &http.Client{Jar: jar, Timeout: time.Minute}
	page, err := browser.Get(address)
	if err != nil {
		return 1
	}
	_ = page.Body.Close()
	if page.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}
