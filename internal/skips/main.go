// Skips reads the output of go test -json from standard input and prints what go test without
// -v would print. It appends each skipped test and the reason to the file in its argument, so
// that make test can list them at its end.
//
// It exits 1 if a test failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
)

// An event is a line of go test -json; see go doc test2json.
type event struct {
	Action     string
	Package    string
	ImportPath string // instead of Package, in the output of the compiler
	Test       string
	Output     string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("skips: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: go test -json ... | go run ./internal/skips FILE")
	}
	skips, err := os.OpenFile(os.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	ok, err := report(os.Stdin, os.Stdout, skips)
	if err != nil {
		log.Fatal(err)
	}
	if err := skips.Close(); err != nil {
		log.Fatal(err)
	}
	if !ok {
		os.Exit(1)
	}
}

// report prints the relevant output in events to out, and a line for each skipped test to
// skips. It reports whether all tests passed.
func report(events io.Reader, out, skips io.Writer) (bool, error) {
	const module = "github.com/opencode-oci-oidc/opencode-oci-oidc/"
	ok := true
	printed := map[string][]string{} // by package and test, until the test has ended
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return ok, nil
		} else if err != nil {
			return false, err
		}
		var e event
		if json.Unmarshal(line, &e) != nil { // a message of the go command itself, which is not JSON
			_, _ = out.Write(line)
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			if e.Test != "" {
				printed[key] = append(printed[key], e.Output)
			} else if e.Output != "PASS\n" && !strings.HasPrefix(e.Output, "coverage: ") { // the line that begins with ok says the same
				fmt.Fprint(out, e.Output)
			}
		case "fail", "build-fail":
			ok = false
			fmt.Fprint(out, strings.Join(printed[key], ""))
			delete(printed, key)
		case "skip":
			if e.Test != "" {
				fmt.Fprintf(skips, "%s %s: %s\n", strings.TrimPrefix(e.Package, module), e.Test, reason(printed[key]))
			}
			delete(printed, key)
		case "pass":
			delete(printed, key)
		}
	}
}

// reason returns the message with which a test was skipped: the text after "file.go:12: ",
// without the lines that go test adds.
func reason(output []string) string {
	var said []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, text, found := strings.Cut(line, ".go:"); found {
			if _, message, found := strings.Cut(text, ": "); found {
				line = message
			}
		}
		said = append(said, line)
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return strings.Join(said, " ")
}
