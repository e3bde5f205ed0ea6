// Package house tests rules for the whole repository: which packages may import which, links in
// documents, and the hints of problems.
package house

import (
	"bufio"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/opencode-oci-oidc/opencode-oci-oidc/"

// The rooms, outermost first: each may import those in the lines after its own.
// Rooms in the same line must not import each other.
var rooms = [][]string{
	{"cmd"},
	{"rpc", "gateway"},
	{"oidc", "guard"},
	{"oidc/signin"},
	{"oidc/domain"},
	{"store/tokens"},
	{"store/config"},
	{"store"},
}

// The directories that may import the stand-in domain, in addition to all tests.
var testers = []string{"demo", "bench", "e2e"}

// forbidden returns the reason why package from must not import package to, or "". Both are
// paths within the module. inTest reports whether the import is in a test file.
func forbidden(from, to string, inTest bool) string {
	outer, inner := level(from), level(to)
	switch {
	case to == "oidc/domaintest":
		if !inTest && !slices.Contains(testers, top(from)) {
			return "the stand-in domain is for tests, the demo and the measurements"
		}
	case to == "store/storetest":
		if !inTest {
			return "it makes the files of tests"
		}
	case slices.Contains(testers, top(to)):
		if !slices.Contains(testers, top(from)) {
			return "nothing in the product is built on its tests"
		}
	case top(from) == "internal" && inner >= 0:
		return "internal packages are used by all rooms and use none"
	case outer >= 0 && inner >= 0 && (outer > inner || outer == inner && room(from) != room(to) || top(from) == "guard" && top(to) == "oidc"):
		return "imports run one way: cmd → rpc → (oidc → oidc/signin → oidc/domain), guard → store/tokens → store/config → store → internal"
	}
	return ""
}

// room is the innermost room that a package is in, or "".
func room(path string) (room string) {
	for _, line := range rooms {
		for _, one := range line {
			if (path == one || strings.HasPrefix(path, one+"/")) && len(one) > len(room) {
				room = one
			}
		}
	}
	return room
}

// level returns the index of the line in rooms that a package belongs to, or -1.
func level(path string) int {
	return slices.IndexFunc(rooms, func(line []string) bool { return slices.Contains(line, room(path)) })
}

func top(path string) string {
	top, _, _ := strings.Cut(path, "/")
	return top
}

func TestImportsRunOneWay(t *testing.T) {
	const format = `{{$p := .ImportPath}}` +
		`{{range .Imports}}{{$p}} {{.}} code{{"\n"}}{{end}}` +
		`{{range .TestImports}}{{$p}} {{.}} test{{"\n"}}{{end}}` +
		`{{range .XTestImports}}{{$p}} {{.}} test{{"\n"}}{{end}}`
	for _, goos := range []string{"linux", "windows"} {
		command := exec.Command("go", "list", "-f", format, module+"...")
		command.Env = append(command.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
		output, err := command.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		lines := bufio.NewScanner(strings.NewReader(string(output)))
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) != 3 {
				continue
			}
			from, _ := strings.CutPrefix(fields[0], module)
			to, ours := strings.CutPrefix(fields[1], module)
			if !ours {
				continue
			}
			if why := forbidden(from, to, fields[2] == "test"); why != "" {
				t.Errorf("%s (%s, %s) imports %s: %s", from, fields[2], goos, to, why)
			}
		}
	}
}

func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		from, to string
		inTest   bool
		want     bool
	}{
		{"cmd/oci-oidc-helper", "store", false, false},
		{"oidc", "store", false, false},
		{"oidc", "oidc/domain", false, false},
		{"oidc/domain", "oidc/signin", false, true},
		{"oidc/signin/pages", "oidc", false, true},
		{"oidc/domaintest", "oidc/domain", true, false},
		{"store", "oidc", false, true},
		{"store", "oidc", true, true},
		{"guard", "store/tokens", false, false},
		{"guard", "oidc", false, true},
		{"guard", "oidc/domain", false, true},
		{"oidc", "guard", false, true},
		{"store", "store/config", false, true},
		{"store/config", "store/tokens", false, true},
		{"store/tokens", "store/config", false, false},
		{"store/tokens", "store/storetest", true, false},
		{"guard", "store/storetest", false, true},
		{"oidc", "rpc", false, true},
		{"internal/logging", "store", false, true},
		{"internal/logging", "internal/secret", false, false},
		{"store", "internal/secret", false, false},
		{"rpc", "oidc/domaintest", false, true},
		{"rpc", "oidc/domaintest", true, false},
		{"demo", "oidc/domaintest", false, false},
		{"cmd/oci-oidc-helper", "e2e/opencode", false, true},
		{"demo", "e2e/opencode", false, false},
	} {
		if got := forbidden(c.from, c.to, c.inTest) != ""; got != c.want {
			t.Errorf("forbidden(%q, %q, test %t) = %t, want %t", c.from, c.to, c.inTest, got, c.want)
		}
	}
}
