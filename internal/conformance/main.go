// Conformance removes each check that CONFORMANCE.md promises from the code, one at a time, and
// runs the test that must then fail. It does not change the working tree, but passes each
// changed file to the go command as an overlay.
//
//	go run ./internal/conformance [text in the name of a check]
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	only := strings.Join(os.Args[1:], " ")
	survivors, ran := 0, 0
	for _, c := range checks {
		if !strings.Contains(c.what, only) {
			continue
		}
		ran++
		began := time.Now()
		verdict, output := c.remove()
		fmt.Printf("%-9s %-34s %s (%.0f s)\n", verdict, c.test, c.what, time.Since(began).Seconds())
		if verdict != killed {
			survivors++
			fmt.Println(output)
		}
	}
	fmt.Printf("%d checks removed, %d tests failed as they must, %d did not\n", ran, ran-survivors, survivors)
	if survivors > 0 {
		os.Exit(1)
	}
}

const (
	killed   = "failed"
	survived = "SURVIVED"
	broken   = "BROKEN" // the changed program does not compile
)

// dir returns the directory of the test: that of the file, or another one of its room.
func (c check) dir() string {
	found := filepath.Dir(c.file)
	room, _, _ := strings.Cut(c.file, "/")
	declared := "\nfunc " + c.test + "("
	_ = filepath.WalkDir(room, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), declared) {
			found = filepath.Dir(path)
		}
		return nil
	})
	return found
}

// remove runs the test against the code without the check.
func (c check) remove() (verdict, output string) {
	text, err := os.ReadFile(c.file)
	if err != nil || strings.Count(string(text), c.old) != 1 {
		return broken, fmt.Sprint("what is to be removed is not there once: ", err)
	}
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return broken, err.Error()
	}
	defer os.RemoveAll(dir)
	changed, overlay := filepath.Join(dir, "changed.go"), filepath.Join(dir, "overlay.json")
	path, err := filepath.Abs(c.file)
	if err != nil {
		return broken, err.Error()
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err == nil {
		err = os.WriteFile(changed, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o600)
	}
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		return broken, err.Error()
	}
	// Without some checks the test hangs; the timeout then makes it fail.
	timeout := "90s"
	if c.test == "TestEveryBranch" { // it takes two minutes if nothing fails
		timeout = "10m"
	}
	test := exec.Command("go", "test", "-overlay", overlay, "-vet=off", "-count=1", "-failfast", "-timeout="+timeout, "-run", "^"+c.test+"$", "./"+c.dir())
	result, err := test.CombinedOutput()
	switch {
	case err == nil && !strings.Contains(string(result), "no tests to run"):
		return survived, string(result)
	case strings.Contains(string(result), "--- FAIL: "+c.test), strings.Contains(string(result), "\npanic: "), strings.HasPrefix(string(result), "panic: "):
		return killed, ""
	default:
		return broken, string(result)
	}
}
