//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A command whose output cannot be written says so and fails, but not with the exit code of
// wrong usage.
func TestUnwritableOutput(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	c.mustRun("models")
	c.write("log", strings.Repeat("time=2026-01-01 level=INFO msg=x\n", 10_000))
	for _, row := range []struct {
		name   string
		stdout func() io.Writer
		says   string
	}{
		{"full", func() io.Writer {
			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip("there is no /dev/full here, which is always full")
			}
			t.Cleanup(func() { _ = full.Close() })
			return full
		}, "The output could not be written: no space left on device."},
		{"closed", func() io.Writer { return closedPipeEnd(t) }, "The output could not be written: broken pipe."},
	} {
		t.Run(row.name, func(t *testing.T) {
			stdout := row.stdout()
			for _, command := range []string{"token", "token --format header", "token --format json", "token --format env", "token --format exec-credential",
				"status", "status --json", "models", "models --json", "doctor", "doctor --json", "config", "config path", "config show", "config validate", "config trust", "version", "manual", "--help", "help token", "completion bash"} {
				helper := c.helper(strings.Fields(command)...)
				want, says := exitProblem, row.says
				if row.name == "closed" && slices.Contains([]string{"--help", "help token", "config"}, command) { // head and less may end before they have read everything
					want, says = exitOK, ""
				}
				if command == "doctor" { // has a problem of its own as well
					helper.Env, want = append(helper.Env, "HTTPS_PROXY=none"), exitUsage
				}
				var stderr bytes.Buffer
				helper.Stdout, helper.Stderr = stdout, &stderr
				_ = helper.Run()
				if code := helper.ProcessState.ExitCode(); code != want || !strings.Contains(stderr.String(), says) || says == "" && stderr.Len() > 0 || strings.Contains(stderr.String(), "--help") {
					t.Errorf("%s: exit code %d: %s", command, code, stderr.String())
				}
			}
		})
	}
	// Other languages open what is to be ignored for reading and writing, as Go does for an
	// output that is closed.
	ignored, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	c.check(err)
	defer ignored.Close()
	helper := c.helper("token")
	helper.Stdout = ignored
	c.check(helper.Run())
	// The log is read by head and less, too.
	c.keys["log_file"] = c.path("log")
	c.configure()
	helper = c.helper("logs", "--lines", "10000")
	var stderr bytes.Buffer
	helper.Stdout, helper.Stderr = closedPipeEnd(t), &stderr
	if err := helper.Run(); err != nil || stderr.Len() > 0 {
		t.Errorf("logs: %v: %s", err, stderr.String())
	}
}

// closedPipeEnd returns the writing end of a pipe whose reader is closed.
func closedPipeEnd(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// If the configuration is a symbolic link, for example into a repository of dotfiles, init
// changes the target of the link.
func TestInitFollowsLinks(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	args := []string{"init", "--force", "--offline", "--redirect-uri", c.keys["redirect_uri"], "--domain-url", c.server.URL, "--client-id", "x", "--auth-method", "mobile_app",
		"--llm-base-url", c.server.LLMBaseURL, "--model", "a-model"}
	for _, name := range []string{"opencode.json", "oci-auth.config.jsonc"} {
		c.remove(".config/opencode/opencode.jsonc")
		c.remove(".config/opencode/" + name)
		c.write("dotfiles/"+name, "{}")
		if name == "oci-auth.config.jsonc" {
			c.write(".config/opencode/opencode.json", "{}")
		}
		c.check(os.Symlink(filepath.Join("..", "..", "dotfiles", name), c.path(".config/opencode/"+name)))
		c.mustRun(args...)
		info, err := os.Lstat(c.path(".config/opencode/" + name))
		if err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s was replaced by a regular file: %v %v", name, info, err)
		}
		if text, _ := os.ReadFile(c.path("dotfiles/" + name)); len(text) < 10 {
			t.Errorf("%s was not changed: %s", name, text)
		}
		c.remove(".config/opencode/" + name)
		c.check(os.Symlink("/nowhere/else", c.path(".config/opencode/"+name)))
		if _, said, code := c.run(args...); code == exitOK || !strings.Contains(said, c.path(".config/opencode/"+name)) {
			t.Errorf("a dangling link: exit code %d: %s", code, said)
		}
		if info, err := os.Lstat(c.path(".config/opencode/" + name)); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the dangling link %s was replaced: %v %v", name, info, err)
		}
		c.remove(".config/opencode/" + name)
	}
}
