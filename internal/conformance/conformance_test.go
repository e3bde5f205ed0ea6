package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const table = "../../CONFORMANCE.md"

var link = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)

// linkedTests are the tests that the rows of the table name, with their files.
func linkedTests(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{}
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < 2 || strings.HasPrefix(cells[0], "---") || strings.TrimSpace(cells[0]) == "standard" {
			continue
		}
		rows++
		if len(cells) != 4 {
			t.Errorf("not four cells: %s", line)
			continue
		}
		code := strings.Trim(strings.TrimSpace(cells[2]), "`")
		if _, err := os.Stat(filepath.Join("../..", code)); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		links := link.FindAllStringSubmatch(cells[3], -1)
		if len(links) == 0 {
			t.Errorf("a row without a test: %s", line)
		}
		for _, one := range links {
			tests[one[1]] = one[2]
		}
	}
	if rows < 50 {
		t.Errorf("only %d rows were read", rows)
	}
	return tests
}

// TestEveryRowNamesATest: the test exists in the file that the link leads to.
func TestEveryRowNamesATest(t *testing.T) {
	for name, file := range linkedTests(t) {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Error(err)
			continue
		}
		declared := "\nfunc " + name + "("
		if strings.HasSuffix(file, ".js") {
			declared = "\ntest('" + name + "'"
		}
		if !strings.Contains(string(text), declared) {
			t.Errorf("%s has no test %q", file, name)
		}
	}
}

// Each text that make mutate removes is in the code exactly once, and each test of oidc and
// rpc in the table of CONFORMANCE.md has a check that make mutate removes for it.
func TestEveryCheckIsThere(t *testing.T) {
	removed := map[string]bool{}
	for _, c := range checks {
		text, err := os.ReadFile(filepath.Join("../..", c.file))
		if err != nil {
			t.Error(err)
		} else if n := strings.Count(string(text), c.old); n != 1 {
			t.Errorf("%s: %s has it %d times: %s", c.what, c.file, n, c.old)
		}
		removed[c.test] = true
	}
	for name, file := range linkedTests(t) {
		ours := strings.HasPrefix(file, "oidc/") || strings.HasPrefix(file, "rpc/")
		if ours && strings.HasPrefix(name, "Test") && !removed[name] {
			t.Errorf("no check is removed for %s", name)
		}
	}
}
