package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// readmeLines is the maximum number of lines of README.md. Anything else belongs in docs/.
const readmeLines = 220

// formerAnchors are the headings that README.md had before docs/. Pages and messages
// elsewhere link to them, so they must lead to the place where the text is now.
var formerAnchors = strings.Fields(`try-it install from-a-clone-today from-npm-once-published configure oci-authconfigjsonc
	kinds-of-applications a-key-instead-of-a-secret models sign-in the-flows beside-the-prompt what-is-on-your-disk
	the-keyring what-the-model-may-do at-a-prompt other-programs ssh-containers-ci oci-console
	before-the-scope-of-the-endpoint confidential-application mobile-application the-domains-address troubleshooting
	undefinedchatcompletions-cannot-be-parsed-as-a-url provider-not-found-oci-oidc-or-the-model-is-not-in-the-list
	is-not-confirmed you-are-not-signed-in-or-your-session-has-ended the-keyring-of-this-system-cannot-be-used
	the-browser-does-not-open the-browser-shows-an-error-page-of-oracle
	the-address-of-redirect_uri-1270018888-is-used-by-another-program invalid_client invalid_scope 401-after-working
	has_refresh_token-false hanging-after-a-message silent-retries behind-a-company-proxy-or-ca
	the-first-start-is-slow the-helper-is-missing-or-does-not-start how-it-works licence`)

func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(document(t, "README.md"), "\n"); lines > readmeLines {
		t.Errorf("README.md has %d lines, more than %d: move text into docs/", lines, readmeLines)
	}
	has := anchors(document(t, "README.md"))
	for _, anchor := range formerAnchors {
		if !slices.Contains(has, anchor) {
			t.Errorf("README.md has lost the anchor #%s", anchor)
		}
	}
}

var (
	links       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	testNames   = regexp.MustCompile("`(Test[A-Z]\\w*)`")
	sourcePaths = regexp.MustCompile("`((?:bench|cmd|demo|e2e|gateway|guard|internal|npm-shim|oidc|rpc|store)/[^`* ]*)`")
)

// TestLinksInDocuments checks each link to a file of the repository, its anchor, and the
// names of source files and of tests.
func TestLinksInDocuments(t *testing.T) {
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(paths) < 9 {
		t.Fatalf("docs/ has only %v (%v)", paths, err)
	}
	names := []string{"README.md", "SECURITY.md", "CONTRIBUTING.md", "CONFORMANCE.md", "npm-shim/README.md", "bench/RESULTS.md"}
	for _, path := range paths {
		names = append(names, "docs/"+filepath.Base(path))
	}
	readme, tests := document(t, "README.md"), declaredTests(t)
	for _, name := range names {
		text := document(t, name)
		for _, test := range testNames.FindAllStringSubmatch(text, -1) {
			if !tests[test[1]] {
				t.Errorf("%s: there is no test %s", name, test[1])
			}
		}
		if strings.HasPrefix(name, "docs/") && !strings.Contains(readme, "]("+name) {
			t.Errorf("README.md does not link to %s", name)
		}
		for _, path := range sourcePaths.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("../..", path[1])); err != nil {
				t.Errorf("%s: there is no %s", name, path[1])
			}
		}
		for _, link := range links.FindAllStringSubmatch(withoutFences(text), -1) {
			target, anchor, _ := strings.Cut(link[1], "#")
			at, ours := strings.CutPrefix(target, "https://"+module+"blob/main/")
			switch {
			case ours:
			case strings.Contains(target, "://"):
				continue
			case target == "":
				at = name
			default:
				at = filepath.Join(filepath.Dir(name), target)
			}
			if _, err := os.Stat(filepath.Join("../..", at)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, link[1])
			} else if anchor != "" && !slices.Contains(anchors(document(t, at)), anchor) {
				t.Errorf("%s: %s has no anchor #%s", name, at, anchor)
			}
		}
	}
}

// declaredTests are the names of all tests in Go.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	declared := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(`)
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "build") {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range declaration.FindAllSubmatch(text, -1) {
			declared[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return declared
}

func TestAnchors(t *testing.T) {
	got := anchors("# A `b_c`: d/e, F\n```sh\n# no heading\n```\n## A [link](x#y)'s end\n## Twice\n<a id=\"x\"></a>\n### Twice\n")
	if want := []string{"a-b_c-de-f", "a-links-end", "twice", "twice-1", "x"}; !slices.Equal(got, want) {
		t.Errorf("anchors are %q, want %q", got, want)
	}
}

var (
	fences   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	heading  = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	linked   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	explicit = regexp.MustCompile(`<a id="([^"]+)">`)
)

func withoutFences(text string) string { return fences.ReplaceAllString(text, "") }

// anchors are those that GitHub gives to the headings of a document, then the ones that
// it sets itself.
func anchors(text string) (anchors []string) {
	text = withoutFences(text)
	seen := map[string]int{}
	for _, title := range heading.FindAllStringSubmatch(text, -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ' || r == '-':
				return '-'
			case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, linked.ReplaceAllString(title[1], "$1"))
		seen[anchor]++
		if n := seen[anchor]; n > 1 {
			anchor += "-" + string(rune('0'+n-1))
		}
		anchors = append(anchors, anchor)
	}
	for _, match := range explicit.FindAllStringSubmatch(text, -1) {
		anchors = append(anchors, match[1])
	}
	return anchors
}

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
