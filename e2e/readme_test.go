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

// elsewhere are the commands of the README that this test does not run, by how
// they begin, and why.
var elsewhere = map[string]string{
	"git clone":                          "a clone is what the tests run in",
	"opencode plugin opencode-oci-oidc@": "TestInstalledFromARegistryAndUpgraded",
	"ssh -L":                             "needs a second machine",
}

// TestReadme runs what the README shows: each block of commands as one script, each
// command of a console by itself, and the programs in JavaScript, all on the
// computer of a person who is signed in.
func TestReadme(t *testing.T) {
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
	for _, block := range readmeBlocks(t) {
		t.Run(fmt.Sprintf("line %d", block.line), func(t *testing.T) {
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

// A block is what stands between two fences.
type block struct {
	line       int // of the opening fence
	kind, text string
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

func readmeBlocks(t *testing.T) (blocks []block) {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range fenced.FindAllSubmatchIndex(readme, -1) {
		blocks = append(blocks, block{
			line: 1 + bytes.Count(readme[:at[0]], []byte("\n")),
			kind: string(readme[at[2]:at[3]]), text: string(readme[at[4]:at[5]]),
		})
	}
	if len(blocks) < 20 {
		t.Fatalf("the README has only %d blocks", len(blocks))
	}
	return blocks
}

// commands are what a console shows behind the prompt.
func (b block) commands() (commands []string) {
	for line := range strings.Lines(b.text) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, command)
		}
	}
	return commands
}

// A reader of the README follows it, with real values in place of the examples.
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
	// What is to be made is made before the tests.
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
