package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// unattended is the configuration for an application that acts for itself.
func unattended(domain *domaintest.Server, secret string) map[string]any {
	return map[string]any{
		"domain_url": domain.URL, "llm_base_url": domain.LLMBaseURL, "auth_method": "client_credentials",
		"client_id": domaintest.ConfidentialClient, "client_secret": secret, "scope": domaintest.DefaultScope, "log_level": "VERBOSE",
	}
}

// Without a person: the first request answers, nothing is signed in to.
func TestClientCredentialsInOpenCode(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{})
	me := newComputer(t, opencode.Latest)
	me.write(me.ConfigDir(), "oci-auth.config.jsonc", unattended(domain, "{env:OCI_CLIENT_SECRET}"))
	me.Environ = append(me.Environ, "OCI_CLIENT_SECRET="+domaintest.ConfidentialSecret, "CI=true")
	run := me.asks("--title", "greeting", "hi")
	run.saysNot("/connect", "retrying", "401")
	if run.ends() != nil || domain.Count(domaintest.Chat) == 0 || strings.Join(grantTypes(domain), " ") != "client_credentials" {
		t.Errorf("token requests %q, %d chats\n%s", grantTypes(domain), domain.Count(domaintest.Chat), run.output())
	}
}

// A container: no home, no terminal, no screen, and nothing that may be written.
// OpenCode itself ends with EACCES there, so it is the helper that answers.
func TestClientCredentialsInAContainer(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{})
	root, err := opencode.Root()
	if err != nil {
		t.Fatal(err)
	}
	program := helper(t, root)
	dir := tempDir(t)
	config := filepath.Join(dir, "config", "opencode")
	text, err := json.Marshal(unattended(domain, "{env:OCI_CLIENT_SECRET}"))
	if err == nil {
		err = os.MkdirAll(config, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(config, "oci-auth.config.jsonc"), text, 0o644)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "work"), 0o555)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	ask := func(input string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), runLimit)
		defer cancel()
		command := exec.CommandContext(ctx, "/bin/sh", slices.Concat([]string{"-c", `cd "$0" && exec "$@"`, filepath.Join(dir, "work"), program}, args)...)
		if os.Geteuid() == 0 { // whom no mode stops
			nobody, err := exec.LookPath("setpriv")
			if err != nil {
				t.Skip("setpriv is missing, which makes root nobody")
			}
			command.Args = slices.Concat([]string{nobody, "--reuid", "65534", "--regid", "65534", "--clear-groups"}, command.Args)
			command.Path = nobody
		}
		command.Dir = "/"
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "XDG_CONFIG_HOME=" + filepath.Join(dir, "config"), "OCI_CLIENT_SECRET=" + domaintest.ConfidentialSecret}
		command.Stdin = strings.NewReader(input)
		var complaints bytes.Buffer
		command.Stderr = &complaints
		output, err := command.Output()
		if err != nil {
			t.Fatalf("%q: %v\n%s%s", args, err, output, complaints.String())
		}
		return string(output)
	}
	if token := ask("", "token"); !strings.HasPrefix(token, "eyJ") {
		t.Errorf("token prints %q", token)
	}
	ask("", "connect")
	answers := ask(`{"jsonrpc":"2.0","id":1,"method":"getToken"}`+"\n", "--stdio")
	if !strings.Contains(answers, `"accessToken":"eyJ`) || strings.Contains(answers, "connect/prompt") {
		t.Errorf("the helper answers %s", answers)
	}
	if after := listing(t, dir); !slices.Equal(before, after) {
		t.Errorf("written: before %q, after %q", before, after)
	}
}

// listing names every file below dir.
func listing(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// Two projects with a domain and an endpoint each, in one OpenCode server, asked
// alternately and at once: each endpoint sees the tokens of its own domain alone.
func TestTwoProjectsInOneServer(t *testing.T) {
	t.Parallel()
	me := newComputer(t, opencode.Latest)
	me.serves()
	type project struct {
		*computer
		domain *domaintest.Server
	}
	var projects []project
	for range 2 {
		p := project{me.inEmptyProject(t), domaintest.New(t, domaintest.Options{})}
		p.write(p.Project, "oci-auth.config.jsonc", unattended(p.domain, domaintest.ConfidentialSecret))
		p.trusts(p.Project)
		projects = append(projects, p)
	}
	for range 2 {
		projects[0].chats("oci-oidc").says("your token is valid")
		projects[1].chats("oci-oidc").says("your token is valid")
	}
	one, other := projects[0].startsChat("oci-oidc"), projects[1].startsChat("oci-oidc")
	one.says("your token is valid")
	other.says("your token is valid")
	used := map[string]int{}
	for i, p := range projects {
		tokens, statuses := bearers(p.domain)
		if len(tokens) < 3 {
			t.Errorf("the endpoint of %s was asked %d times", p.Project, len(tokens))
		}
		for j, token := range tokens {
			if owner, known := used[token]; statuses[j] != http.StatusOK || known && owner != i {
				t.Errorf("the endpoint of %s got a foreign token: %d", p.Project, statuses[j])
			}
			used[token] = i
		}
		if got := p.domain.Count(domaintest.Token); got != 1 {
			t.Errorf("the domain of %s was asked for %d tokens", p.Project, got)
		}
	}
}
