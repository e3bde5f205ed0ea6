package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
)

// Without a home directory there is no place for a client secret; the current directory is not
// used instead.
func TestInitWithoutAHome(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	variable := "HOME"
	if runtime.GOOS == "windows" {
		variable = "USERPROFILE"
	}
	for name, home := range map[string][]string{"none": nil, "an empty one": {variable + "="}, "a relative one": {variable + "=home"}, "a point": {variable + "=."}} {
		helper := c.helper("init", "--force", "--offline", "--project", "--secret-stdin", "--redirect-uri", c.keys["redirect_uri"], "--domain-url", c.server.URL, "--client-id", "x",
			"--llm-base-url", c.server.LLMBaseURL, "--model", "a-model")
		var stderr bytes.Buffer
		helper.Dir = t.TempDir()
		helper.Env = append(slices.DeleteFunc(helper.Env, func(one string) bool { return strings.HasPrefix(one, variable+"=") }), home...)
		helper.Stdin, helper.Stderr = strings.NewReader("the-secret-4711"), &stderr
		_ = helper.Run()
		if code := helper.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(stderr.String(), "no home directory") {
			t.Errorf("%s: exit code %d: %s", name, code, stderr.String())
		}
		if written, err := os.ReadDir(helper.Dir); err != nil || len(written) > 0 {
			t.Errorf("%s: written: %v, %v", name, written, err)
		}
	}
}

// init saves no secret that could not be used: --secret-stdin accepts the encodings that shells
// write, and refuses what is no secret.
func TestSecretOnStandardInput(t *testing.T) {
	const hidden = "Wb7kjgTz-4711"
	for in, says := range map[string]string{
		hidden + "\r\n": "", "\ufeff" + hidden: "", string(disktest.UTF16(hidden+"\r\n", binary.LittleEndian)): "",
		" \n": "There is no client secret on standard input", "a\x00b": "characters that cannot be seen", "s\xe9c": "not UTF-8",
		hidden + "\nsecond\n": "has more than one line", "CLIENT_SECRET=" + hidden: "a name before the secret",
		strings.Repeat(hidden, 6_000): "too long",
	} {
		n := &newConfig{cmd: &cobra.Command{}, secretStdin: true}
		n.cmd.SetIn(strings.NewReader(in))
		if err := n.missing(); err == nil || says != "" && !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), hidden) || says == "" && n.secret.Reveal() != hidden {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// If nobody can paste an address, that flow ends at once.
func TestPasteFlowNeedsATerminal(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	for name, stdin := range map[string]string{"nothing": "", "a wrong line": "http://localhost/callback?code=1&state=2\n", "half a line": "http"} {
		helper := c.helper("connect", "--flow", "paste")
		var stderr bytes.Buffer
		helper.Stdin, helper.Stderr = strings.NewReader(stdin), &stderr
		_ = helper.Run()
		if code := helper.ProcessState.ExitCode(); code != exitProblem || !strings.Contains(stderr.String(), "standard input has ended") {
			t.Errorf("%s: exit code %d: %s", name, code, stderr.String())
		}
	}
}

// kubectl accepts only the version that it requests.
func TestExecCredentialHasTheRequestedVersion(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	for _, row := range []struct{ asked, answered, says string }{
		{"", `"client.authentication.k8s.io/v1"`, ""},
		{`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":true}}`, `"client.authentication.k8s.io/v1"`, ""},
		{`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{"interactive":false}}`, `"client.authentication.k8s.io/v1beta1"`, ""},
		{`{"apiVersion":"client.authentication.k8s.io/v1alpha1"}`, "", `version "client.authentication.k8s.io/v1alpha1"`},
		{`{}`, "", `version ""`},
		{`yes`, "", "holds no ExecCredential"},
	} {
		c.setenv("KUBERNETES_EXEC_INFO", row.asked)
		stdout, stderr, code := c.run("token", "--format", "exec-credential")
		if row.says != "" {
			if code != exitUsage || stdout != "" || !strings.Contains(stderr, row.says) {
				t.Errorf("%s: exit code %d: %s%s", row.asked, code, stdout, stderr)
			}
		} else if code != exitOK || !strings.Contains(stdout, `"apiVersion": `+row.answered) {
			t.Errorf("%s: exit code %d: %s%s", row.asked, code, stdout, stderr)
		}
	}
}
