package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
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
	type project struct {
		dir    string
		domain *domaintest.Server
	}
	var projects []project
	for _, name := range []string{"one", "other"} {
		p := project{filepath.Join(me.Dir, name), domaintest.New(t, domaintest.Options{})}
		if err := os.Mkdir(p.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		configuration := unattended(p.domain, domaintest.ConfidentialSecret)
		configuration["log_file"] = filepath.Join(p.dir, "log")
		me.write(p.dir, "oci-auth.config.jsonc", configuration)
		me.trusts(p.dir)
		projects = append(projects, p)
	}
	address, serve := me.serves()
	post := func(path, dir, body string, into any) error {
		ctx, cancel := context.WithTimeout(t.Context(), runLimit)
		defer cancel()
		return posts(ctx, address+path, dir, body, into)
	}
	sessions := make([]string, len(projects))
	for i, p := range projects {
		var session struct{ ID string }
		if err := post("/session", p.dir, `{"title":"greeting"}`, &session); err != nil {
			t.Fatalf("%v\n%s", err, serve.output())
		}
		sessions[i] = session.ID
	}
	ask := func(i int) {
		var answer struct{ Parts []struct{ Type, Text string } }
		if err := post("/session/"+sessions[i]+"/message", projects[i].dir, `{"parts":[{"type":"text","text":"hi"}]}`, &answer); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		ask(0)
		ask(1)
	}
	var both sync.WaitGroup
	for i := range projects {
		both.Go(func() { ask(i) })
	}
	both.Wait()
	used := map[string]int{}
	for i, p := range projects {
		tokens, statuses := bearers(p.domain)
		if len(tokens) < 3 {
			t.Errorf("the endpoint of %s was asked %d times", p.dir, len(tokens))
		}
		for j, token := range tokens {
			if owner, known := used[token]; statuses[j] != http.StatusOK || known && owner != i {
				t.Errorf("the endpoint of %s got a foreign token: %d", p.dir, statuses[j])
			}
			used[token] = i
		}
		if got := p.domain.Count(domaintest.Token); got != 1 {
			t.Errorf("the domain of %s was asked for %d tokens", p.dir, got)
		}
	}
}

// posts asks OpenCode's server for something in a directory.
func posts(ctx context.Context, address, dir, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address+"?directory="+url.QueryEscape(dir), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// serves starts OpenCode's server.
func (c *computer) serves() (address string, serve *run) {
	c.t.Helper()
	serve = c.start("serve", "--hostname", "127.0.0.1", "--port", "0")
	serve.await("an address", func() bool {
		address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(serve.all.String())
		return address != ""
	})
	return address, serve
}

// asksServer has the server answer a question in a session of its own, with a provider's
// model.
func (c *computer) asksServer(address, provider string) (answer string, err error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), runLimit)
	defer cancel()
	var session struct{ ID string }
	if err := posts(ctx, address+"/session", c.Project, `{"title":"greeting"}`, &session); err != nil {
		return "", err
	}
	question := fmt.Sprintf(`{"model":{"providerID":%q,"modelID":%q},"parts":[{"type":"text","text":"hi"}]}`, provider, domaintest.DefaultModel)
	var message struct{ Parts []struct{ Text string } }
	err = posts(ctx, address+"/session/"+session.ID+"/message", c.Project, question, &message)
	for _, part := range message.Parts {
		answer += part.Text
	}
	return strings.TrimSpace(answer), err
}

// trusts is the person's word that a project's own configuration is right.
func (c *computer) trusts(dir string) {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), c.helper, "-C", dir, "config", "trust", "--yes")
	command.Env = c.Environ
	if output, err := command.CombinedOutput(); err != nil {
		c.t.Fatalf("config trust: %v\n%s", err, output)
	}
}
