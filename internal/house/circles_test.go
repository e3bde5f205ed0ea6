package house

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// circles are the packages in which files refer to each other in a circle, so that they
// cannot be read one after the other, and why they stay so.
var circles = map[string]string{
	"oidc/domaintest": "the parts of the stand-in are handlers of one server, which routes to all of them",
	"oidc/domain":     "each request is a method of Domain, which keeps what discovery found and what the clock taught",
	"oidc":            "Session is one state, and its files are what may change it: signing in, following other processes, refreshing",
	"rpc":             "the server routes each method to its handler, and the handlers need its state",
	"store/config":    "a file is read by its keys, and whether a project's file may be read is one of the checks",
}

// TestFilesStandInLayers: the references between the files of a package run one way, so
// that each can be understood without those above it. The files of a program are its
// commands, which its main file lists, and are left out.
func TestFilesStandInLayers(t *testing.T) {
	found := map[string]bool{}
	for _, p := range load(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		for _, circle := range p.circles() {
			found[path] = true
			if circles[path] == "" {
				t.Errorf("files of %s refer to each other in a circle:\n%s", path, strings.Join(p.within(circle), "\n"))
			}
		}
	}
	for path := range circles {
		if !found[path] {
			t.Errorf("%s has no circle any more and can leave the list", path)
		}
	}
	if len(circles) > 5 {
		t.Errorf("%d packages with circles are listed; five are the most", len(circles))
	}
}

// A package is small enough to be read in an hour.
func TestRoomsAreSmall(t *testing.T) {
	const most = 1500 // lines without tests
	for _, p := range load(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if top(path) == "cmd" || slices.Contains(testers, top(path)) || path == "oidc/domaintest" {
			continue
		}
		lines := 0
		for _, file := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			lines += strings.Count(string(text), "\n")
		}
		if lines > most {
			t.Errorf("%s has %d lines; %d are the most", path, lines, most)
		}
	}
}

// A listed is a package in the output of go list.
type listed struct {
	ImportPath, Name, Dir, Export string
	GoFiles                       []string
	references                    map[[2]string][]string // from one file to another, with the names
}

// load lists the packages of the module and draws the references between their files.
func load(t *testing.T) (ours []listed) {
	t.Helper()
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Name,Dir,Export,GoFiles", module+"...")
	command.Env = append(command.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	output, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	for decoder := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, module) && p.Name != "main" {
			ours = append(ours, p)
		}
	}
	files := token.NewFileSet()
	from := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for i := range ours {
		if err := ours[i].draw(files, from); err != nil {
			t.Fatal(err)
		}
	}
	return ours
}

// draw records the references between the package's files.
func (p *listed) draw(files *token.FileSet, from types.Importer) error {
	var syntax []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		syntax = append(syntax, file)
	}
	info := types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: from, Sizes: types.SizesFor("gc", "amd64")}
	checked, err := config.Check(p.ImportPath, files, syntax, &info)
	if err != nil {
		return fmt.Errorf("%s: %w", p.ImportPath, err)
	}
	p.references = map[[2]string][]string{}
	for use, object := range info.Uses {
		if object.Pkg() != checked || !object.Pos().IsValid() {
			continue
		}
		here, there := filepath.Base(files.Position(use.Pos()).Filename), filepath.Base(files.Position(object.Pos()).Filename)
		if edge := [2]string{here, there}; here != there && !slices.Contains(p.references[edge], object.Name()) {
			p.references[edge] = append(p.references[edge], object.Name())
		}
	}
	return nil
}

// circles are the files that reach each other, those that do together.
func (p listed) circles() (all [][]string) {
	reach := map[string]map[string]bool{}
	for _, file := range p.GoFiles {
		reached := map[string]bool{}
		for todo := []string{file}; len(todo) > 0; todo = todo[1:] {
			for edge := range p.references {
				if edge[0] == todo[0] && !reached[edge[1]] {
					reached[edge[1]] = true
					todo = append(todo, edge[1])
				}
			}
		}
		reach[file] = reached
	}
	done := map[string]bool{}
	for _, file := range p.GoFiles {
		if done[file] || !reach[file][file] {
			continue
		}
		var circle []string
		for _, other := range p.GoFiles {
			if reach[file][other] && reach[other][file] {
				circle = append(circle, other)
				done[other] = true
			}
		}
		all = append(all, circle)
	}
	return all
}

// within describes the references that form a circle.
func (p listed) within(circle []string) (lines []string) {
	for edge, names := range p.references {
		if slices.Contains(circle, edge[0]) && slices.Contains(circle, edge[1]) {
			slices.Sort(names)
			lines = append(lines, fmt.Sprintf("  %s → %s: %s", edge[0], edge[1], strings.Join(names, ", ")))
		}
	}
	slices.Sort(lines)
	return lines
}
