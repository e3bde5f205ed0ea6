package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// The runtime inside of each OpenCode sends the plugin's requests to the endpoint.
// What it makes of the network, and what a person is told, is tried without the
// rest of OpenCode.
func TestRequestsToTheEndpoint(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	answer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "answer") }))
	t.Cleanup(answer.Close)
	inside := c.serves(endpointName, answer.URL)
	localhost := c.front("localhost", "127.0.0.1", answer.URL)
	proxy := c.proxy("maria", proxyPassword)
	free, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	withoutPassword := "http://" + free.Host
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	configured := confidential(t, domain)
	me := newConfiguredComputer(t, opencode.Latest, configured)
	me.signInAtThePrompt()
	for _, row := range []struct {
		name, url, caFile string
		environ           []string
		says              string // "config: …" by the helper, whatever the version
	}{
		{"by proxy, with ca_file", inside, c.CAFile, []string{"HTTPS_PROXY=" + proxy}, "answer"},
		{"by proxy in small letters, with NODE_EXTRA_CA_CERTS", inside, "", []string{"https_proxy=" + proxy, "NODE_EXTRA_CA_CERTS=" + c.CAFile}, "answer"},
		{"by proxy, with SSL_CERT_FILE", inside, "", []string{"HTTPS_PROXY=" + proxy, "SSL_CERT_FILE=" + c.CAFile}, "answer"},
		{"ca_file and another in NODE_EXTRA_CA_CERTS", inside, newCompany(t).CAFile, []string{"HTTPS_PROXY=" + proxy, "NODE_EXTRA_CA_CERTS=" + c.CAFile}, "answer"},
		{"directly, by NO_PROXY", localhost, c.CAFile, []string{"HTTPS_PROXY=" + withoutPassword, "NO_PROXY=other, localhost"}, "answer"},
		{"without the CA", localhost, "", nil, "tls: The certificate of localhost:"},
		{"ca_file missing", localhost, empty + ".none", nil, "config: ca_file names " + empty + ".none, which does not exist"},
		{"ca_file empty", localhost, empty, nil, "config: ca_file names " + empty + ", which holds no certificate"},
		{"no password for the proxy", inside, c.CAFile, []string{"HTTPS_PROXY=" + withoutPassword}, "network: The proxy on the way to llm.e2e.test wants a user name"},
		{"a SOCKS proxy", inside, c.CAFile, []string{"HTTPS_PROXY=socks5://" + free.Host}, "config: OpenCode cannot use the proxy"},
		{"a proxy for this machine", answer.URL, "", []string{"HTTP_PROXY=" + withoutPassword}, "config: HTTP_PROXY is set, and OpenCode would send the token for 127.0.0.1"},
		{"no proxy for this machine", answer.URL, "", []string{"HTTP_PROXY=" + withoutPassword, "NO_PROXY=localhost,127.0.0.1"}, "answer"},
		{"an IPv6 address", c.front("::1", "::1", answer.URL), c.CAFile, nil, "tls: OpenCode does not accept the certificate of an IPv6 address"},
	} {
		versions := []string{opencode.Latest, opencode.Middle, opencode.Oldest}
		if strings.HasPrefix(row.says, "config: ") {
			versions = versions[:1]
		}
		for _, version := range versions {
			t.Run(version+" "+row.name, func(t *testing.T) {
				configured := configured
				configured.Endpoint, configured.CAFile = row.url, row.caFile
				if said := me.sends(version, configured, "", row.environ); !strings.HasPrefix(said, row.says) {
					t.Errorf("%s\nwant %s", said, row.says)
				}
			})
		}
	}
}

// sends lets OpenCode's runtime ask for a path of the configured endpoint as the plugin does,
// and returns the answer, or the kind and the text of the problem.
func (c *computer) sends(version string, configured config, path string, environ []string) string {
	c.t.Helper()
	program, err := opencode.Program(version)
	if err != nil {
		c.t.Skip(err)
	}
	root, err := opencode.Root()
	check(c.t, err)
	if configured.Secret != "" {
		configured.Secret = "{file:~/.secrets/client-secret}"
	}
	c.write(c.ConfigDir(), "oci-auth.config.jsonc", configured)
	lib := "file://" + filepath.Join(root, "npm-shim", "lib")
	script := fmt.Sprintf(`
		const [{ createFetch }, { acquire }] = [await import(%q), await import(%q)]
		const helper = acquire(process.cwd(), 'opencode-1')
		try { console.log(await (await createFetch(helper, %q)(%q)).text()) }
		catch (problem) { console.log(problem.kind + ': ' + (problem.text ?? problem.message)) }
		await helper.release()`,
		lib+"/fetch.js", lib+"/helper.js", configured.Endpoint, configured.Endpoint+path)
	ctx, cancel := context.WithTimeout(c.t.Context(), runLimit)
	defer cancel()
	command := exec.CommandContext(ctx, program, "-e", script)
	command.Dir = c.Project
	command.Env = append([]string{"BUN_BE_BUN=1", "OCI_OIDC_HELPER=" + c.helper, "HOME=" + c.Dir, "PATH=" + os.Getenv("PATH")}, environ...)
	output, err := command.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%v\n%s", err, output)
	}
	return string(output)
}
