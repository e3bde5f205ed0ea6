package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// refused are the examples that need a terminal or another running example, with the message
// that they end with here.
var refused = map[string]struct {
	code  int
	words string
}{
	"oci-oidc-helper init":           {exitUsage, "Without a terminal nothing can be asked"},
	"oci-oidc-helper init --project": {exitUsage, "Without a terminal nothing can be asked"},
	"oci-oidc-helper init --from https://intranet.example.com/oci-auth.config.jsonc": {exitProblem, "intranet.example.com"},
	"oci-oidc-helper gateway status":                                                 {exitProblem, "The gateway is not running"},
}

// changesTheSystem are the examples that would install a service on the computer that runs the
// tests.
var changesTheSystem = []string{"oci-oidc-helper gateway install", "oci-oidc-helper gateway remove"}

// completions are the examples of cobra's own commands that need no changes to a shell.
var completions = []string{
	`oci-oidc-helper completion bash > completion && bash -c "source ./completion"`,
	"oci-oidc-helper completion fish", "oci-oidc-helper completion powershell", "oci-oidc-helper completion zsh",
}

// Every example in the help of every command runs in a shell on the computer of a person who
// is signed in.
func TestExamplesWork(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the examples are for a POSIX shell")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	c := newComputer(t)
	c.setenv("EDITOR", "true")
	cfg, err := os.ReadFile(c.path(".config/opencode/" + config.Name))
	c.check(err)
	here := strings.NewReplacer("https://llm.example.com/v1", c.server.LLMBaseURL)
	all := append(examples((&app{places: store.FindPlaces(), log: logging.Open("")}).rootCommand(nil)), completions...)
	for _, example := range all {
		if slices.Contains(changesTheSystem, example) {
			continue
		}
		goesOn := strings.Contains(example, "--follow") || example == "oci-oidc-helper gateway"
		t.Run(example, func(t *testing.T) {
			if strings.Contains(example, " gateway") {
				c.mustRun("gateway", "key")
			}
			if strings.Contains(example, " init") {
				c.remove(".config/opencode/" + config.Name)
				defer c.configure()
			} else if _, _, code := c.run("status", "--json"); code != 0 || !strings.Contains(c.mustRun("status", "--json"), `"signedIn": true`) {
				c.mustRun("connect")
			}
			if strings.Contains(example, "validate "+config.Name) {
				c.write("shell/"+config.Name, string(cfg))
				defer c.remove("shell/" + config.Name)
			}
			stdout, stderr, code := c.shell(here.Replace(example), goesOn)
			if want, ok := refused[example]; ok {
				if code != want.code || !strings.Contains(stderr, want.words) {
					t.Errorf("exit code %d: %s", code, stderr)
				}
				return
			}
			if code != exitOK {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			if strings.Contains(example, "curl") && !strings.Contains(stdout, `"object"`) {
				t.Errorf("the endpoint did not answer: %s%s", stdout, stderr)
			}
		})
	}
}

// examples returns the lines of all examples, except for those of cobra's own commands.
func examples(cmd *cobra.Command) []string {
	var lines []string
	for line := range strings.Lines(cmd.Example) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	for _, sub := range cmd.Commands() {
		lines = append(lines, examples(sub)...)
	}
	return lines
}

// shell runs a line in a new directory, and interrupts it if it does not end by itself.
func (c *computer) shell(line string, goesOn bool) (stdout, stderr string, code int) {
	c.mkdir("shell", 0o700)
	ctx, cancel := context.WithTimeout(c.Context(), time.Minute)
	defer cancel()
	if goesOn {
		line = "exec " + line // so that it gets the signal itself
	}
	command := exec.CommandContext(ctx, "sh", "-c", line)
	command.Dir = c.path("shell")
	command.Env = c.environ()
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if goesOn {
		command.Stdout, command.Stderr = interrupter{&out, command}, interrupter{&errs, command}
	}
	c.check(command.Start())
	_ = command.Wait()
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

// An interrupter sends ^C to a program as soon as it has written something.
type interrupter struct {
	out     *bytes.Buffer
	command *exec.Cmd
}

func (i interrupter) Write(text []byte) (int, error) {
	_ = i.command.Process.Signal(os.Interrupt)
	return i.out.Write(text)
}
