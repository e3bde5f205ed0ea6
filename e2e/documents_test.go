package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// elsewhere are the commands in the documents that this test does not run, by their
// first words, and why.
var elsewhere = map[string]string{
	"git clone":                          "a clone is what the tests run in",
	"opencode plugin opencode-oci-oidc@": "TestRegistry",
	"opencode plugin add":                "OpenCode 2, which was not available to us",
	"opencode auth login oci-oidc":       "OpenCode 2",
	"opencode service":                   "OpenCode 2",
	"ssh -L":                             "needs a second machine",
	"oci-oidc-helper gateway    #":       "TestGateway",
}

// TestDocuments runs what README.md and docs/ show: each block of commands as one
// script, each command of a console by itself, the programs in JavaScript, and
// OpenCode with each opencode.json, all on the computer of a person who is signed in.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "curl", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program)
		}
	}
	if _, err := os.Stat("openai/node_modules/openai"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("OpenAI's SDK is not installed: run make e2e once")
	}
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true, AutoApproveDevices: true})
	r := newReader(t, domain)
	r.run("sh", "oci-oidc-helper connect")
	for _, block := range documentBlocks(t) {
		t.Run(fmt.Sprintf("%s line %d", filepath.Base(block.path), block.line), func(t *testing.T) {
			r.t = t
			switch block.kind {
			case "sh":
				said := r.run("sh", block.text)
				if strings.Contains(block.text, "/models") && !strings.Contains(said, domaintest.DefaultModel) {
					t.Errorf("the endpoint says %q", said)
				}
			case "console":
				for _, command := range block.commands() {
					r.run("sh", command)
				}
			case "json":
				if strings.Contains(block.text, "https://opencode.ai/config.json") {
					r.hasYourModel(block.text)
				}
			case "js":
				if answer := r.run("js", block.text); !strings.Contains(answer, greeting) {
					t.Errorf("the model answers %q", answer)
				}
			case "":
				t.Error("say what this is: sh, console, js, text, …")
			}
		})
	}
}

// A block is the text between two fences.
type block struct {
	path       string
	line       int // of the opening fence
	kind, text string
}

var fenced = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")

func documentBlocks(t *testing.T) (blocks []block) {
	t.Helper()
	paths, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append([]string{"../README.md"}, paths...) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range fenced.FindAllSubmatchIndex(text, -1) {
			blocks = append(blocks, block{
				path: path, line: 1 + bytes.Count(text[:at[0]], []byte("\n")),
				kind: string(text[at[2]:at[3]]), text: strings.TrimLeft(string(text[at[4]:at[5]]), " "),
			})
		}
	}
	if len(blocks) < 30 {
		t.Fatalf("the documents have only %d blocks", len(blocks))
	}
	return blocks
}

// commands are those that a console shows after its prompt.
func (b block) commands() (commands []string) {
	for line := range strings.Lines(b.text) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, command)
		}
	}
	return commands
}

// A reader follows the documents, with real values in place of the examples.
type reader struct {
	*computer
	t      *testing.T
	values *strings.Replacer
}

func newReader(t *testing.T, domain *domaintest.Server) *reader {
	t.Helper()
	c := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	bin := filepath.Join(c.Dir, "bin")
	browser := filepath.Join(bin, "browser")
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Mkdir(bin, 0o700))
	check(os.Symlink(c.helper, filepath.Join(bin, "oci-oidc-helper")))
	program, err := opencode.Program(opencode.Latest)
	check(err)
	check(os.Symlink(program, filepath.Join(bin, "opencode")))
	check(os.WriteFile(browser, []byte("#!/bin/sh\nexec curl -sSL -c jar -b jar -o page \"$1\"\n"), 0o700))
	// make has built everything before the tests.
	check(os.WriteFile(filepath.Join(bin, "make"), []byte("#!/bin/sh\n"), 0o700))
	for _, folder := range []string{"npm-shim", "build"} {
		there, err := filepath.Abs("../" + folder)
		check(err)
		check(os.Symlink(there, filepath.Join(c.Project, folder)))
	}
	sdk, err := filepath.Abs("openai/node_modules")
	check(err)
	check(os.Symlink(sdk, filepath.Join(c.Project, "node_modules")))
	c.Environ = append(c.Environ, "PATH="+bin+":"+os.Getenv("PATH"), "BROWSER="+browser, "OCI_OIDC_HELPER="+c.helper)
	return &reader{computer: c, t: t, values: strings.NewReplacer(
		"https://llm.example.com/v1", domain.LLMBaseURL, "your-model", domaintest.DefaultModel,
	)}
}

// look returns where a program is, or "".
func look(name string) string {
	path, _ := exec.LookPath(name)
	return path
}

// run runs a script in the shell or, as a module, in Node, and returns its output.
func (r *reader) run(language, script string) string {
	r.t.Helper()
	if program, _, _ := strings.Cut(script, " "); program == "openssl" && look(program) == "" {
		r.t.Skip("there is no openssl")
	}
	for beginning, why := range elsewhere {
		if strings.HasPrefix(script, beginning) {
			r.t.Log(beginning, "is not run here:", why)
			return ""
		}
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), runLimit)
	defer cancel()
	script = r.values.Replace(script)
	if strings.Contains(script, "eval ") {
		script += "\n: \"${OPENAI_API_KEY:?}\"" // eval of nothing would be no failure
	}
	command := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", script)
	if language == "js" {
		command = exec.CommandContext(ctx, "node", "--input-type=module", "--eval", script)
	}
	command.Dir, command.Env, command.Stdin = r.Project, r.Environ, strings.NewReader("a secret\n")
	output, err := command.CombinedOutput()
	if err != nil {
		r.t.Errorf("%s\n%v\n%s", script, err, output)
	}
	return string(output)
}

var pluginEntry = regexp.MustCompile(`"opencode-oci-oidc@[^"]*"`)

// hasYourModel fails the test unless OpenCode lists the model that an opencode.json of
// the documents names.
func (r *reader) hasYourModel(text string) {
	r.t.Helper()
	path := filepath.Join(r.ConfigDir(), "opencode.json")
	before, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	shim, err := filepath.Abs("../npm-shim")
	if err != nil {
		r.t.Fatal(err)
	}
	after := pluginEntry.ReplaceAllString(text, fmt.Sprintf("%q", "file://"+shim))
	if err := os.WriteFile(path, []byte(after), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if said := r.run("sh", "opencode models oci-oidc"); strings.TrimSpace(said) != "oci-oidc/your-model" {
		r.t.Errorf("OpenCode lists %q", said)
	}
	if err := os.WriteFile(path, before, 0o600); err != nil {
		r.t.Fatal(err)
	}
}
