package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestHost2Guard: the attempts of SECURITY.md with the tools of OpenCode 2. The last part
// shows that they are attempts: without the guard they succeed.
func TestHost2Guard(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the attempts are those of a shell on Linux")
	}
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		configuration := confidential(t, domain)
		configuration.Secret = "Zq7-vK2mXw9_Lp4tRb8nYc3sHd6f"
		domain.Change(func(o *domaintest.Options) { o.Clients[0].Secret = configuration.Secret })
		me := newHost2(t, name, configuration) // the secret itself
		file := filepath.Join(me.Dir, ".secrets", "client-secret")
		check(t, errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(configuration.Secret+"\n"), 0o600)))
		me.signsIn(me.Project)
		me.tempts(configuration)
		secrets := secretsOf(t, domain, me.computer)
		secrets.add("another secret", otherSecret)

		leaks := func(a attempt) (text string, leaks bool) {
			t.Helper()
			if a.first != nil {
				me.calls(*a.first)
			}
			text = me.calls(call{a.tool, a.args})
			read := text
			if a.undo != nil {
				read += a.undo(text)
			}
			return text, secrets.in(read) != nil
		}
		for _, a := range attempts {
			if text, leaked := leaks(a); leaked != a.leaks.under("full") || leaked && a.tool != "bash" {
				t.Errorf("%s %v: leaks %v, expected: %v\n%.600s", a.name, a.args, secrets.in(text), !leaked, text)
			}
			if a.tool == "bash" {
				continue
			}
			c := in2(call{a.tool, me.expand(a.args)})
			inside, err := json.Marshal(map[string]any{"tool": c.tool, "input": c.args})
			check(t, err)
			if text := me.calls(call{"execute", args{"code": string(inside)}}); secrets.in(text) != nil {
				t.Errorf("%s %v inside of execute: leaks %v\n%.600s", a.name, a.args, secrets.in(text), text)
			}
		}
		for _, call := range ordinary {
			if answer := me.calls(call); denied.MatchString(answer) {
				t.Errorf("%s %v is denied:\n%s", call.tool, call.args, answer)
			}
		}

		me.does("unhook", nil, nil)
		for _, a := range attempts {
			if text, leaked := leaks(a); leaked != a.leaks.under("off") {
				t.Errorf("%s without the guard: leaks %v, expected: %v\n%.600s", a.name, leaked, !leaked, text)
			}
		}
	})
}

// calls makes a call of an attempt with the names that OpenCode 2 has, and returns what
// the model would read.
func (h *host2) calls(c call) string {
	h.t.Helper()
	c = in2(call{c.tool, h.expand(c.args)})
	var result struct {
		Content, Error   string
		Output, Metadata json.RawMessage
	}
	h.does("tool", args{"tool": c.tool, "input": c.args}, &result)
	return strings.Join([]string{result.Content, result.Error, string(result.Output), string(result.Metadata)}, "\n")
}

// in2 translates a call of OpenCode 1.
func in2(c call) call {
	given := args{}
	for key, value := range c.args {
		if key == "filePath" {
			key = "path"
		}
		given[key] = value
	}
	switch c.tool {
	case "bash":
		c.tool = "shell"
	case "task":
		c.tool = "subagent"
		task := strings.SplitN(given["prompt"].(string), ":", 3)
		prompt, _ := json.Marshal(in2Task(task[1], task[2]))
		given["prompt"] = string(prompt)
	}
	return call{c.tool, given}
}

// in2Task is what a subagent does, as the stand-in host reads it.
func in2Task(tool, what string) map[string]any {
	c := in2(call{tool, args{"filePath": what, "command": what}})
	return map[string]any{"tool": c.tool, "input": c.args}
}

// TestHost2KeepsSecretsFromCommands: no command of an agent inherits the client secret.
func TestHost2KeepsSecretsFromCommands(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		c := confidential(t, domain)
		secret := c.Secret
		c.Secret = "{env:COMPANY_PASSWORD}"
		me := startHost2(t, name, "COMPANY_PASSWORD="+secret, "Company_Password="+secret, "OTHER=kept") // Windows has one of the two, in any case
		me.write(me.ConfigDir(), "oci-auth.config.jsonc", c)
		me.loads(me.Project, nil)
		if got := me.calls(call{"bash", args{"command": `echo "<$COMPANY_PASSWORD$Company_Password$OTHER>"`}}); !strings.Contains(got, "<kept>") {
			t.Errorf("a command gets %s", got)
		}
		me.signsIn(me.Project)
		me.answers(nil, greeting)
	})
}

// TestHost2OffersTools directly, not inside of its Code Mode alone.
func TestHost2OffersTools(t *testing.T) {
	t.Parallel()
	withHost2(t, func(t *testing.T, domain *domaintest.Server, me *host2) {
		var offered []string
		me.does("offered", nil, &offered)
		for _, tool := range []string{"oci_oidc_status", "oci_oidc_refresh"} {
			if !slices.Contains(offered, tool) {
				t.Errorf("OpenCode offers %q", offered)
			}
		}
		if got := me.calls(call{"oci_oidc_status", nil}); !strings.Contains(got, "Signed in") || !strings.Contains(got, "/connect") {
			t.Errorf("before the sign-in the status is %s", got)
		}
		me.signsIn(me.Project)
		if got := me.calls(call{"oci_oidc_refresh", nil}); !strings.Contains(got, "The token was renewed") {
			t.Errorf("a refresh says %s", got)
		}
		if got := domain.Count(domaintest.Token); got != 2 {
			t.Errorf("%d token requests, want 2", got)
		}
	})
}

// TestHost2ShowsTheStatus beside the prompt, in a command line that starts no helper, and says
// once that the session ends soon.
func TestHost2ShowsTheStatus(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true, ExpiresIn: 3*24*3600 + 1800, Rotation: domaintest.Keep})
		me := newHost2(t, name, confidential(t, domain))
		me.does("cli", args{"folder": me.plugin}, nil)
		shows := func(want string) {
			t.Helper()
			eventually(t, func() error {
				for _, slot := range []string{"prompt.footer.status", "home.footer.status"} {
					var got string
					me.does("shows", args{"slot": slot}, &got)
					if !regexp.MustCompile("^" + want + "$").MatchString(got) {
						return errors.New(slot + " shows " + got + ", want " + want)
					}
				}
				return nil
			})
		}
		shows("OCI ! /connect")
		me.signsIn(me.Project)
		shows("OCI ✓ 3 d")
		me.endsSoon()
		eventually(t, func() error {
			var toasts []struct{ Message, Variant string }
			if me.does("toasts", nil, &toasts); len(toasts) != 1 || !strings.Contains(toasts[0].Message, "with its refresh token") || toasts[0].Variant != "warning" {
				return fmt.Errorf("the command line says %v", toasts)
			}
			return nil
		})
		shows(`OCI ! \d\d min left`)
		me.hasHelpers(1)
		me.does("uncli", nil, nil)
		shows("")
	})
}
