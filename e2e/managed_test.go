package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// managedBy has the computer's helper take a directory for the administrator's, and whoever
// runs this test for the administrator. That can be built in and not be told: else
// anybody could be the administrator.
func (c *computer) managedBy(dir string) {
	c.t.Helper()
	root, err := opencode.Root()
	if err != nil {
		c.t.Fatal(err)
	}
	const store = "github.com/opencode-oci-oidc/opencode-oci-oidc/store."
	program := filepath.Join(c.Dir, "managed-helper")
	build := exec.CommandContext(c.t.Context(), "go", "build", "-tags", "nethttpomithttp2", "-trimpath",
		"-ldflags", fmt.Sprintf("-X %smanagedDir=%s -X %sadministrator=%d", store, dir, store, os.Geteuid()), "-o", program, "./cmd/oci-oidc-helper")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, text)
	}
	c.helper = program
	c.Environ = append(c.Environ, "OCI_OIDC_HELPER="+program)
}

// A person without any file signs in with what the administrator has put in place, and gets
// an answer. What a file of their own says otherwise has no effect, and each way to look
// says so. Once others can write the administrator's file, nothing goes anywhere.
func TestAManagedConfiguration(t *testing.T) {
	t.Parallel()
	company, other := domaintest.New(t, domaintest.Options{AutoApprove: true}), domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newComputer(t, opencode.Latest)
	dir := tempDir(t)
	managed := filepath.Join(dir, "oci-auth.config.jsonc")
	me.managedBy(dir)

	decided := mobile(t, company)
	text, err := json.Marshal(decided)
	if err == nil {
		err = os.WriteFile(managed, []byte(strings.Replace(string(text), "{", `{"managed": true, `, 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if output := me.connects("--flow", "browser"); !strings.Contains(output, "Signed in") {
		t.Fatalf("oci-oidc-helper connect: %s", output)
	}
	me.serves()
	me.chats("oci-oidc").answers(greeting)
	if said, err := me.helps("status"); err != nil || !strings.Contains(said, "managed by "+managed+": domain_url, client_id") {
		t.Errorf("status: %v\n%s", err, said)
	}

	theirs := mobile(t, other)
	theirs.Domain, theirs.LogLevel = decided.Domain, "DEBUG"
	me.write(me.ConfigDir(), "oci-auth.config.jsonc", theirs)
	own := filepath.Join(me.ConfigDir(), "oci-auth.config.jsonc")
	before := company.Count(domaintest.Chat)
	me.restartsHelper()
	me.chats("oci-oidc").answers(greeting)
	if company.Count(domaintest.Chat) == before {
		t.Error("the company's endpoint was not asked")
	}
	for _, command := range [][]string{{"status"}, {"config", "show"}, {"doctor"}} {
		said, err := me.helps(command...)
		if !strings.Contains(said, "redirect_uri, llm_base_url, log_level has no effect in "+own) || !strings.Contains(said, "managed by "+managed) || strings.Contains(said, theirs.Endpoint) {
			t.Errorf("%s: %v\n%s", command, err, said)
		}
	}

	if err := os.Chmod(managed, 0o666); err != nil {
		t.Fatal(err)
	}
	before = company.Count(domaintest.Chat)
	me.restartsHelper()
	me.chats("oci-oidc").saysNot(greeting)
	for _, command := range []string{"status", "doctor", "token"} {
		if said, err := me.helps(command); err == nil || !strings.Contains(said, managed+" is refused") || !strings.Contains(said, "can be written by others (mode 0666)") {
			t.Errorf("%s: %v\n%s", command, err, said)
		}
	}
	if company.Count(domaintest.Chat) != before || other.Count(domaintest.Chat) > 0 {
		t.Error("an endpoint was asked all the same")
	}
}
