package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
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

// chatsThroughAKey is a program that only knows a base URL and a key.
const chatsThroughAKey = `
import OpenAI from 'openai'
const client = new OpenAI({ baseURL: process.env.BASE, apiKey: process.env.KEY, maxRetries: 0 })
const stream = await client.chat.completions.create({ model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] })
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? '')
`

// continueConfig is a configuration of Continue: an address, a key, a model.
const continueConfig = `name: gateway
version: 1.0.0
schema: v1
models:
  - {name: m, provider: openai, model: m, apiBase: %q, apiKey: %q, roles: [chat]}
`

// TestGateway: OpenAI's SDK, Continue and a hundred callers at once stream answers through
// the gateway with the gateway's key, also when the endpoint no longer accepts the token; a
// web page and another user of the computer get nothing.
func TestGateway(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.signInAtThePrompt()
	lines := strings.Split(strings.TrimSpace(me.atThePrompt("gateway", "key")), "\n")
	key := lines[len(lines)-1]
	base, gateway := me.opensGateway()

	sdk, err := filepath.Abs("openai/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(sdk, "openai"))
	withSDK := err == nil
	if withSDK {
		if err := os.Symlink(sdk, filepath.Join(me.Project, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
	chat := func(key string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), runLimit)
		defer cancel()
		command := exec.CommandContext(ctx, "node", "--input-type=module", "--eval", chatsThroughAKey)
		command.Dir, command.Env = me.Project, append(command.Environ(), "BASE="+base, "KEY="+key)
		output, err := command.CombinedOutput()
		return string(output), err
	}

	t.Run("a program with the key", func(t *testing.T) {
		if !withSDK {
			t.Skip("OpenAI's SDK is not installed: run make e2e once")
		}
		if said, err := chat(key); err != nil || !strings.Contains(said, greeting) {
			t.Errorf("the model answers %q (%v)", said, err)
		}
		asked := domain.Count(domaintest.Chat)
		if said, err := chat("sk-another"); err == nil || !strings.Contains(said, "does not have the gateway's key") {
			t.Errorf("with another key: %q (%v)", said, err)
		}
		if domain.Count(domaintest.Chat) != asked {
			t.Error("a request without the key reached the endpoint")
		}
	})

	// They share one refresh. No other part of this test revokes a token: one that is
	// rejected soon after it was issued is taken for a wrong scope, and not refreshed.
	t.Run("a hundred streams at once, over a 401", func(t *testing.T) {
		domain.RevokeAccessTokens()
		refreshed := domain.Count(domaintest.Token)
		client := &http.Client{Timeout: runLimit}
		var all sync.WaitGroup
		if withSDK {
			all.Go(func() {
				if said, err := chat(key); err != nil || !strings.Contains(said, greeting) {
					t.Errorf("the model answers %q (%v)", said, err)
				}
			})
		}
		for range 100 {
			all.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/chat/completions",
					strings.NewReader(`{"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]}`))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+key)
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != http.StatusOK || !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
					t.Errorf("%d %s (%v)", resp.StatusCode, text, err)
				}
			})
		}
		all.Wait()
		if n := domain.Count(domaintest.Token) - refreshed; n != 1 {
			t.Errorf("the rejected token was refreshed %d times", n)
		}
	})

	t.Run("Continue", func(t *testing.T) {
		program, err := filepath.Abs("continue/node_modules/@continuedev/cli/dist/cn.js")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
			t.Skip("Continue is not installed: run make e2e once")
		}
		file := filepath.Join(me.Dir, "continue.yaml")
		if err := os.WriteFile(file, fmt.Appendf(nil, continueConfig, base, key), 0o600); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), "node", program, "--print", "--config", file, "hi")
		command.Dir, command.Env = me.Project, append(slices.Clone(me.Environ), "CONTINUE_TELEMETRY_ENABLED=0", "CI=true")
		if said, err := command.CombinedOutput(); err != nil || !strings.Contains(string(said), greeting) {
			t.Errorf("Continue says %s (%v)", said, err)
		}
	})

	t.Run("curl", func(t *testing.T) {
		if _, err := exec.LookPath("curl"); err != nil {
			t.Skip("there is no curl")
		}
		for _, row := range []struct{ header, want string }{
			{"Authorization: Bearer " + key, greeting},
			{"Authorization: Bearer " + key + "x", "does not have the gateway's key"},
			{"Host: llm.evil.example", "answers by the names localhost"},
			{"Origin: https://evil.example", "does not answer web pages"},
		} {
			command := exec.CommandContext(t.Context(), "curl", "--silent", "--no-buffer", "--config", "-", base+"/chat/completions")
			config := fmt.Sprintf("header = %q\ndata = %q\n", row.header, `{"model": "m", "messages": [{"role": "user", "content": "hi"}]}`)
			if !strings.HasPrefix(row.header, "Authorization") {
				config += fmt.Sprintf("header = %q\n", "Authorization: Bearer "+key)
			}
			command.Stdin = strings.NewReader(config)
			if said, err := command.CombinedOutput(); err != nil || !strings.Contains(string(said), row.want) {
				t.Errorf("%s (%v), want %q", said, err, row.want)
			}
		}
	})

	t.Run("another user", func(t *testing.T) {
		others := asAnotherUser(t)
		if err := os.Chmod(me.Dir, 0o755); err != nil { // as many homes are
			t.Fatal(err)
		}
		asked := domain.Count(domaintest.Chat) + domain.Count(domaintest.Models)
		if said, err := others("test", "-r", me.Dir); err != nil {
			t.Fatalf("they do not even see the home: %s (%v)", said, err)
		}
		if said, err := others("curl", "--silent", base+"/models"); err != nil || !strings.Contains(said, "does not have the gateway's key") {
			t.Errorf("they get %s (%v)", said, err)
		}
		files := []string{fmt.Sprintf("/proc/%d/environ", gateway.Pid), fmt.Sprintf("/proc/%d/mem", gateway.Pid)}
		err := filepath.WalkDir(me.Dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && filepath.Base(filepath.Dir(path)) == "opencode-oci-oidc" {
				files = append(files, path)
			}
			if errors.Is(err, fs.ErrNotExist) { // a temporary file
				err = nil
			}
			return err
		})
		if err != nil || len(files) < 4 { // with the key's hash and the saved tokens
			t.Fatalf("%q, %v", files, err)
		}
		for _, file := range files {
			if said, err := others("head", "-c", "1", file); err == nil {
				t.Errorf("they read %s: %q", file, said)
			}
		}
		if domain.Count(domaintest.Chat)+domain.Count(domaintest.Models) != asked {
			t.Error("a request of another user reached the endpoint")
		}
	})

	t.Run("a web page", func(t *testing.T) {
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<h1>trying</h1><script>
const ask = (mode, headers) => fetch(%q, {method: 'POST', mode, headers, body: '{}'}).then((r) => r.status, () => 0)
Promise.all([ask('cors', {authorization: 'Bearer %s'}), ask('cors', {}), ask('no-cors', {})])
  .then((got) => (document.querySelector('h1').textContent = 'got ' + got))</script>`, base+"/chat/completions", key)
		}))
		defer page.Close()
		browser := newBrowser(t)
		asked := domain.Count(domaintest.Chat) + domain.Count(domaintest.Models)
		browser.opens(page.URL)
		browser.sees("got 0,0,0")
		// A name of the page's own that leads to this machine, with the key in hand.
		browser.opens(strings.Replace(base, "127.0.0.1", rebound, 1) + "/models")
		if shown := browser.page(); !strings.Contains(shown, "answers by the names localhost") {
			t.Errorf("the page shows %s", shown)
		}
		if domain.Count(domaintest.Chat)+domain.Count(domaintest.Models) != asked {
			t.Error("a request of a web page reached the endpoint")
		}
	})
}

// opensGateway starts the gateway and returns its base URL.
func (c *computer) opensGateway() (base string, gateway *os.Process) {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), c.helper, "gateway")
	command.Env, command.Dir = c.Environ, c.Project
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	stderr, err := command.StderrPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = command.Process.Signal(os.Interrupt); _ = command.Wait() })
	line, err := bufio.NewReader(stderr).ReadString('\n')
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+/v1`).FindString(line)
	if address == "" {
		c.t.Fatalf("the gateway says %q (%v)", line, err)
	}
	return address, command.Process
}
