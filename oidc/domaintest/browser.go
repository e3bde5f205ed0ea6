package domaintest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// notesVariable names the file for the notes of a browser that is the test's own program,
// because a shell script is no program on Windows.
const notesVariable = "DOMAINTEST_BROWSER_NOTES"

// NoteIfBrowser is called first by the TestMain of a package that uses [NotingBrowser]. In the
// browser, it writes the notes and exits.
func NoteIfBrowser() {
	path := os.Getenv(notesVariable)
	if path == "" {
		return
	}
	text := strings.Join(os.Args[1:], "|") + "|\n" + strings.Join(os.Environ(), "\n")
	if os.WriteFile(path+".part", []byte(text), 0o600) != nil || os.Rename(path+".part", path) != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// NotingBrowser makes the variable BROWSER a program that notes its arguments and its
// environment. The returned function returns what was noted since its last call: the
// arguments, each with a | after it, and a line for each variable. If started is true, it
// waits for the notes.
func NotingBrowser(t testing.TB) (notes func(started bool) (args, environ string)) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "notes")
	t.Setenv("BROWSER", program)
	t.Setenv(notesVariable, path)
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	return func(started bool) (args, environ string) {
		t.Helper()
		text, err := os.ReadFile(path)
		for end := time.Now().Add(time.Minute); started && err != nil; text, err = os.ReadFile(path) {
			if time.Now().After(end) {
				t.Fatal("the browser notes nothing:", err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		args, environ, _ = strings.Cut(string(text), "\n")
		return args, environ
	}
}
