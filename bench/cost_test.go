package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/machine"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// builtHelper returns the released program and the environment of a person who is signed in.
func builtHelper(t *testing.T) (path string, m *machine.Machine) {
	t.Helper()
	path = os.Getenv("OCI_OIDC_HELPER")
	if path == "" {
		t.Skip("OCI_OIDC_HELPER names no helper; run make test-go")
	}
	m, err := machine.New(t.TempDir(), domaintest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if err := m.SignIn(); err != nil {
		t.Fatal(err)
	}
	return path, m
}

func execute(t *testing.T, environment []string, stdin string, command ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	c := exec.Command(command[0], command[1:]...)
	c.Env, c.Stdin, c.Stdout, c.Stderr = environment, strings.NewReader(stdin), &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, errs.String())
	}
	return out.String(), errs.String()
}

const firstToken = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocol":1}}
{"jsonrpc":"2.0","id":2,"method":"getToken"}
`

// Counts what makes a start slow and does not depend on the machine. If you raise a limit, say
// why in the commit.
func TestCostOfAStart(t *testing.T) {
	helper, m := builtHelper(t)
	environment := m.Environ()

	t.Run("bytes of the program", func(t *testing.T) {
		info, err := os.Stat(helper)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 12_000_000 {
			t.Errorf("%d bytes, more than 12 MB", info.Size())
		}
	})

	t.Run("sizes in README.md", func(t *testing.T) {
		if runtime.GOOS+runtime.GOARCH != "linuxamd64" {
			t.Skip("README.md has the sizes for Linux x64")
		}
		program, err := os.ReadFile(helper)
		if err != nil {
			t.Fatal(err)
		}
		readme, err := os.ReadFile("../README.md")
		if err != nil {
			t.Fatal(err)
		}
		row := regexp.MustCompile(`with the helper for Linux x64 \| ([\d.]+) MB \| ([\d.]+) MB`).FindSubmatch(readme)
		if row == nil {
			t.Fatal("README.md does not have the sizes")
		}
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(program)
		_ = w.Close()
		// The shim adds less than 0.2 MB, and a few changes must not make README.md wrong.
		for i, size := range []int{packed.Len(), len(program)} {
			stated, _ := strconv.ParseFloat(string(row[i+1]), 64)
			if measured := float64(size) / 1e6; measured < stated-0.7 || measured > stated+0.2 {
				t.Errorf("the helper has %.1f MB (packed first), README.md says %.1f MB", measured, stated)
			}
		}
	})

	t.Run("packages that are initialised", func(t *testing.T) {
		_, trace := execute(t, append(environment, "GODEBUG=inittrace=1"), "", helper, "version")
		lines := regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes, (\d+) allocs$`).FindAllStringSubmatch(trace, -1)
		allocs := 0
		for _, line := range lines {
			n, _ := strconv.Atoi(line[3])
			allocs += n
			if strings.Contains(line[1], "opencode-oci-oidc") && n > 30 {
				t.Errorf("%s allocates %d times before main", line[1], n)
			}
		}
		// mvdan.cc/sh has 180 of them.
		if len(lines) == 0 || len(lines) > 120 || allocs > 650 {
			t.Errorf("%d packages with %d allocations, more than 120 and 650", len(lines), allocs)
		}
	})

	t.Run("collections", func(t *testing.T) {
		out, trace := execute(t, append(environment, "GODEBUG=gctrace=1"), firstToken, helper, "--stdio")
		if !strings.Contains(out, "eyJ") || strings.Contains(trace, "gc 1 @") {
			t.Errorf("the collector ran before the first token: %s%s", out, trace)
		}
	})

	if _, err := exec.LookPath("strace"); err != nil || runtime.GOOS != "linux" {
		t.Skip("there is no strace to count the files that are opened")
	}
	for _, test := range []struct {
		name, stdin string
		args        []string
		want        []string // base names, in this order
	}{
		// The helper reports a log that it cannot write, so it opens the log.
		{"token", "", []string{"token"}, []string{"oci-auth.config.jsonc", "oci-oidc-debug.log", "tokens"}},
		{"first token over stdio", firstToken, []string{"--stdio"}, []string{"oci-oidc-debug.log", "oci-auth.config.jsonc", "tokens"}},
	} {
		t.Run("files: "+test.name, func(t *testing.T) {
			trace := filepath.Join(t.TempDir(), "trace")
			command := append([]string{"strace", "-f", "-qq", "-o", trace, "-e", "trace=openat", helper}, test.args...)
			out, _ := execute(t, environment, test.stdin, command...)
			if !strings.Contains(out, "eyJ") {
				t.Fatalf("no token in %s", out)
			}
			text, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			var opened []string
			for _, line := range regexp.MustCompile(`(?m)openat\(AT_FDCWD, "([^"]*)".* = \d+$`).FindAllStringSubmatch(string(text), -1) {
				switch name := line[1]; {
				case name == tokens.Open(m.Places, m.Config).Path():
					opened = append(opened, "tokens")
				case strings.HasPrefix(name, m.Places.StateDir):
					// The list of models is refreshed in the background.
				case strings.HasPrefix(name, m.Home):
					opened = append(opened, filepath.Base(name))
				}
			}
			if strings.Join(opened, " ") != strings.Join(test.want, " ") {
				t.Errorf("opened %v, want %v", opened, test.want)
			}
		})
	}
}

// A start is compared with a program that links the same packages as the helper; this checks
// that they are the same.
func TestFloorLinksThePackagesOfTheHelper(t *testing.T) {
	linked := func(program string) (packages []string) {
		output, err := exec.Command("go", "list", "-deps", "-tags", "nethttpomithttp2", "-f", "{{if .Module}}{{.ImportPath}}{{end}}", program).Output()
		if err != nil {
			t.Fatal(explain(err))
		}
		for _, path := range strings.Fields(string(output)) {
			if !strings.Contains(path, "opencode-oci-oidc") {
				packages = append(packages, path)
			}
		}
		return packages
	}
	inFloor := linked("./peers/floor")
	for _, path := range linked("../cmd/oci-oidc-helper") {
		if !slices.Contains(inFloor, path) {
			t.Errorf("bench/peers/floor does not link %s", path)
		}
	}
}
