package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryProblemSaysWhatToDoNext: every call of problem.New has a hint. In the shim the type
// checker requires it.
func TestEveryProblemSaysWhatToDoNext(t *testing.T) {
	made := 0
	for _, path := range sources(t, ".go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok || !makesProblem(call, file.Name.Name) || len(call.Args) != 3 {
				return true
			}
			made++
			if hint, ok := call.Args[2].(*ast.BasicLit); ok && hint.Value == `""` {
				t.Errorf("%s: a problem without a hint", files.Position(call.Pos()))
			}
			return true
		})
	}
	if made < 50 {
		t.Errorf("only %d problems were found", made)
	}
}

func makesProblem(call *ast.CallExpr, inPackage string) bool {
	switch called := call.Fun.(type) {
	case *ast.SelectorExpr:
		from, ok := called.X.(*ast.Ident)
		return ok && from.Name == "problem" && called.Sel.Name == "New"
	case *ast.Ident:
		return inPackage == "problem" && called.Name == "New"
	}
	return false
}

// TestTheShimKnowsNoOtherKinds: the shim uses only kinds of problems that the helper has.
func TestTheShimKnowsNoOtherKinds(t *testing.T) {
	text, err := os.ReadFile("../problem/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, found := range regexp.MustCompile(`Kind = ("\w+")`).FindAllStringSubmatch(string(text), -1) {
		kind, _ := strconv.Unquote(found[1])
		kinds = append(kinds, kind)
	}
	made := regexp.MustCompile(`(?:new Problem|super)\(\s*'(\w+)'`)
	found := 0
	for _, path := range sources(t, ".js") {
		if !strings.Contains(path, "npm-shim/lib/") && !strings.Contains(path, "npm-shim/hosts/") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range made.FindAllStringSubmatch(string(text), -1) {
			found++
			if !slices.Contains(kinds, kind[1]) {
				t.Errorf("%s: a problem of kind %s, which is none of %v", path, kind[1], kinds)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d problems were found", found)
	}
}

// sources are the files of the repository whose names end so.
func sources(t *testing.T, ending string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains([]string{"node_modules", "build", "dist", ".git"}, entry.Name()) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ending) {
			paths = append(paths, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
