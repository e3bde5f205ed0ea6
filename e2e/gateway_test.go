package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
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

// TestGateway: OpenAI's SDK streams answers through the gateway with the gateway's key,
// over a token that is no longer accepted, too; a web page gets nothing.
func TestGateway(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.signInAtThePrompt()
	lines := strings.Split(strings.TrimSpace(me.atThePrompt("gateway", "key")), "\n")
	key := lines[len(lines)-1]
	base := me.opensGateway()

	t.Run("a program with the key", func(t *testing.T) {
		sdk, err := filepath.Abs("openai/node_modules")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(sdk, "openai")); errors.Is(err, fs.ErrNotExist) {
			t.Skip("OpenAI's SDK is not installed: run make e2e once")
		}
		if err := os.Symlink(sdk, filepath.Join(me.Project, "node_modules")); err != nil {
			t.Fatal(err)
		}
		chat := func(key string) (string, error) {
			ctx, cancel := context.WithTimeout(t.Context(), runLimit)
			defer cancel()
			command := exec.CommandContext(ctx, "node", "--input-type=module", "--eval", chatsThroughAKey)
			command.Dir, command.Env = me.Project, append(command.Environ(), "BASE="+base, "KEY="+key)
			output, err := command.CombinedOutput()
			return string(output), err
		}
		for range 2 {
			if said, err := chat(key); err != nil || !strings.Contains(said, greeting) {
				t.Errorf("the model answers %q (%v)", said, err)
			}
			domain.RevokeAccessTokens() // the next one is over a 401
		}
		asked := domain.Count(domaintest.Chat)
		if said, err := chat("sk-another"); err == nil || !strings.Contains(said, "does not have the gateway's key") {
			t.Errorf("with another key: %q (%v)", said, err)
		}
		if domain.Count(domaintest.Chat) != asked {
			t.Error("a request without the key reached the endpoint")
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
func (c *computer) opensGateway() string {
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
	return address
}
