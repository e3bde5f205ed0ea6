package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestEarlyCoreOfVersion2: OpenCode 1.18.34 holds an early core of version 2, a real host.
// A fixture has it load our setup: the sign-in and the models are offered, somebody signs
// in over its API, and a session is answered with the token.
func TestEarlyCoreOfVersion2(t *testing.T) {
	t.Parallel()
	root, err := opencode.Root()
	check(t, err)
	program := filepath.Join(root, "e2e", "host2", "node_modules", "opencode-linux-x64", "bin", "opencode")
	if _, err := os.Stat(program); err != nil {
		t.Skip("OpenCode 1.18.34 is there for Linux on x64 alone, after make e2e")
	}
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := startHost2(t, "node") // for its package alone
	me.write(me.ConfigDir(), "oci-auth.config.jsonc", confidential(t, domain))
	fixture := filepath.Join(me.Dir, "fixture")
	check(t, os.Mkdir(fixture, 0o700))
	me.write(fixture, "package.json", map[string]any{"name": "fixture", "version": "1.0.0", "type": "module", "main": "./index.js"})
	check(t, os.WriteFile(filepath.Join(fixture, "index.js"), fmt.Appendf(nil, "import { early } from %q\nimport plugin from %q\nexport default early(plugin, %q)\n",
		filepath.Join(root, "e2e", "host2", "early.js"), filepath.Join(me.plugin, "server.js"), me.Project), 0o600))
	me.write(me.ConfigDir(), "opencode.json", map[string]any{"plugin": []string{"file://" + fixture}})

	server := me.servesEarly(program)
	server.lists("integration", "Sign in with a code on another device")

	var begun struct {
		Data struct{ AttemptID, URL string }
	}
	server.call(http.MethodPost, "/api/integration/oci-oidc/connect/oauth", map[string]any{"methodID": "browser", "inputs": map[string]any{}}, &begun)
	approves(t, begun.Data.URL)
	eventually(t, func() error {
		var now struct {
			Data struct{ Status, Message string }
		}
		server.call(http.MethodGet, "/api/integration/attempt/"+begun.Data.AttemptID, nil, &now)
		if now.Data.Status != "complete" {
			return fmt.Errorf("the sign-in is %+v", now.Data)
		}
		return nil
	})
	server.lists("provider", `"id":"oci-oidc"`)
	server.lists("model", `"providerID":"oci-oidc"`)

	var session struct{ Data struct{ ID string } }
	server.call(http.MethodPost, "/api/session", map[string]any{
		"location": map[string]any{"directory": me.Project}, "model": map[string]any{"providerID": "oci-oidc", "id": domaintest.DefaultModel},
	}, &session)
	server.call(http.MethodPost, "/api/session/"+session.Data.ID+"/prompt", map[string]any{"prompt": map[string]any{"text": "Who am I?"}}, nil)
	eventually(t, func() error {
		var answer json.RawMessage
		server.call(http.MethodGet, "/api/session/"+session.Data.ID+"/message", nil, &answer)
		if !strings.Contains(string(answer), greeting) {
			return fmt.Errorf("the session holds %s", answer)
		}
		return nil
	})
	secrets := secretsOf(t, domain, me.computer)
	check(t, filepath.WalkDir(filepath.Join(me.Dir, ".local", "share", "opencode"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if found := secrets.in(string(text)); found != nil {
			t.Errorf("OpenCode keeps %v in %s", found, path)
		}
		return err
	}))
}

// A served is a running opencode serve.
type served struct {
	t       *testing.T
	address string
	in      string // the directory
}

// servesEarly runs opencode serve in the project until the test ends.
func (c *computer) servesEarly(program string) *served {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	port := domaintest.FreePort()
	command := exec.CommandContext(ctx, program, "serve", "--print-logs", "--port", fmt.Sprint(port))
	command.Env, command.Dir = c.Environ, c.Project
	var output text
	command.Stdout, command.Stderr = &output, &output
	check(c.t, command.Start())
	c.t.Cleanup(func() {
		cancel()
		_ = command.Wait()
		if c.t.Failed() {
			c.t.Logf("opencode serve:\n%s", output.String())
		}
	})
	s := &served{c.t, fmt.Sprintf("http://127.0.0.1:%d", port), c.Project}
	for deadline := time.Now().Add(runLimit); ; time.Sleep(pollEvery) {
		response, err := (&http.Client{Timeout: 5 * time.Second}).Get(s.address + "/api/provider")
		if err == nil {
			_ = response.Body.Close()
			return s
		}
		if time.Now().After(deadline) {
			c.t.Fatal(err)
		}
	}
}

// call calls the API and decodes its answer into into, unless that is nil.
func (s *served) call(method, path string, body, into any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	check(s.t, err)
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.address+path+"?"+url.Values{"location[directory]": {s.in}}.Encode(), bytes.NewReader(text))
	check(s.t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	check(s.t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	check(s.t, err)
	if response.StatusCode >= http.StatusBadRequest {
		s.t.Fatalf("%s %s: %s\n%s", method, path, response.Status, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			s.t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
		}
	}
}

// lists waits until a list of the API holds some text: the early core loads plugins in
// the background.
func (s *served) lists(kind, want string) {
	s.t.Helper()
	eventually(s.t, func() error {
		var list json.RawMessage
		s.call(http.MethodGet, "/api/"+kind, nil, &list)
		if !strings.Contains(string(list), want) {
			return fmt.Errorf("%s is not among %ss: %.300s", want, kind, list)
		}
		return nil
	})
}
