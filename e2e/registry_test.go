package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// The two releases that make releases builds, for this platform alone.
const (
	release     = "1.2.3"
	nextRelease = "1.2.4"
)

// maxDownload bounds what a person downloads, in bytes: the plugin and the helper
// for one platform, compressed.
const maxDownload = 5_000_000

func TestRegistry(t *testing.T) {
	t.Parallel()
	npm := newRegistry(t)
	for name, test := range map[string]func(*testing.T, *registry){
		"installed and upgraded":           installedAndUpgraded,
		"the status item":                  statusItemAfterAnOrdinaryInstallation,
		"the helper is missing":            helperMissingAfterInstallation,
		"other clients install the helper": otherClientsInstallTheHelper,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, npm) })
	}
}

func installedAndUpgraded(t *testing.T, registry *registry) {
	for _, version := range []string{opencode.Latest, opencode.Oldest} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
			me := newCustomer(t, version, registry, confidential(t, domain))

			me.install(release)
			me.signIn(withBrowser, byItself)
			me.asks("hi").answers(greeting)
			me.logs("version=" + release)

			me.install(nextRelease)
			me.asks("hi again").answers(greeting)
			me.logs("version=" + nextRelease)
			if got := domain.Count(domaintest.Token); got != 1 {
				t.Errorf("%d token requests, want the one of the sign-in before the upgrade", got)
			}

			newer := me.rewriteTokens(`"version": 1`, `"version": 3`)
			me.install(release)
			refused := me.asks("hi")
			me.isTold(refused, "were written by a newer version", "Update opencode-oci-oidc")
			refused.saysNot("retrying")
			if left, err := os.ReadFile(me.tokenFiles()[0]); err != nil || !bytes.Equal(left, newer) {
				t.Errorf("the newer token file was changed (%v)", err)
			}
		})
	}
}

// statusItemAfterAnOrdinaryInstallation: opencode plugin writes all that the plugin
// needs, its part in the TUI included, from a registry and from a clone.
func statusItemAfterAnOrdinaryInstallation(t *testing.T, registry *registry) {
	root, err := opencode.Root()
	check(t, err)
	for _, spec := range []string{"opencode-oci-oidc@" + release, "file://" + filepath.Join(root, "npm-shim")} {
		for _, version := range []string{opencode.Latest, opencode.Middle} {
			t.Run(version+" "+spec, func(t *testing.T) {
				t.Parallel()
				me := newCustomer(t, version, registry, confidential(t, domaintest.New(t, domaintest.Options{})))
				if strings.HasPrefix(spec, "file:") {
					me.Environ = append(me.Environ, "OCI_OIDC_HELPER="+helper(t, root))
				}
				me.start("plugin", spec, "--global").says("Installed " + spec)
				me.opensTUI(120, 40).shows("OCI ! /connect")
				if strings.HasPrefix(spec, "file:") {
					return
				}
				me.install(nextRelease)
				for _, file := range []string{"opencode.json", "tui.json"} {
					var written struct{ Plugin []string }
					text, err := os.ReadFile(filepath.Join(me.ConfigDir(), file))
					check(t, err)
					check(t, json.Unmarshal(text, &written))
					if want := []string{"opencode-oci-oidc@" + nextRelease}; !slices.Equal(written.Plugin, want) {
						t.Errorf("%s has the plugins %q after the upgrade, want %q", file, written.Plugin, want)
					}
				}
			})
		}
	}
}

// What goes wrong between the registry and the first request with OpenCode's own installer,
// and the way back that the message names. npm-shim/test/missing.test.js has the other causes.
func helperMissingAfterInstallation(t *testing.T, registry *registry) {
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newCustomer(t, opencode.Latest, registry, confidential(t, domain))
	npmrc := filepath.Join(me.Dir, ".npmrc")

	check(t, os.WriteFile(npmrc, []byte("omit=optional\n"), 0o600))
	me.install(release)
	me.asks("hi").says("optional dependencies were left out")
	// Without a helper nobody knows the ways to sign in.
	login := me.start("auth", "login", "-p", "oci-oidc", "-m", "Sign in")
	login.says("optional dependencies were left out")

	check(t, os.Remove(npmrc))
	me.installAnew(release)
	me.asks("hi").says("/connect")
}

func otherClientsInstallTheHelper(t *testing.T, registry *registry) {
	clients := registry.clients(t)
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := client.installed(t); got != "oci-oidc-helper "+release {
				t.Errorf("the helper says %q", got)
			}
			if got := client.installed(t, client.withoutOptional...); !strings.Contains(got, "optional dependencies were left out") {
				t.Errorf("without optional dependencies, the plugin says %q", got)
			}
		})
	}
}

func TestDownloadIsSmall(t *testing.T) {
	size := int64(0)
	for _, file := range packages(t, release) {
		info, err := os.Stat(file)
		check(t, err)
		size += info.Size()
	}
	t.Logf("%d bytes", size)
	if size > maxDownload {
		t.Errorf("the plugin and its helper are %d bytes to download, more than %d", size, maxDownload)
	}
}

// install has OpenCode install a release of the plugin, in the way of its version.
func (c *computer) install(version string) {
	c.t.Helper()
	spec := "opencode-oci-oidc@" + version
	if c.version == opencode.Oldest {
		// Before opencode plugin there was only the configuration.
		c.write(c.ConfigDir(), "opencode.json", customerConfig(spec))
		return
	}
	install := c.start("plugin", spec, "--global", "--force")
	install.says("Installed " + spec)
}

// installAnew does what the messages about a missing helper say.
func (c *computer) installAnew(version string) {
	c.t.Helper()
	check(c.t, os.RemoveAll(c.modules()))
	c.install(version)
}

// modules is where OpenCode has installed the plugin.
func (c *computer) modules() string {
	return filepath.Join(c.Dir, ".cache", "opencode", "packages", "opencode-oci-oidc@"+release, "node_modules")
}

// logs fails the test if the helper's log does not hold text.
func (c *computer) logs(text string) {
	c.t.Helper()
	log, err := os.ReadFile(filepath.Join(c.Dir, "oci-oidc-debug.log"))
	if err != nil || !strings.Contains(strings.ToLower(string(log)), text) {
		c.t.Errorf("the log does not hold %q (%v):\n%s", text, err, log)
	}
}

// rewriteTokens replaces a text in the only token file and returns the new content. The file
// is replaced as a whole: a helper that is still ending would take half of one for damaged,
// and save its own tokens in its place.
func (c *computer) rewriteTokens(before, after string) []byte {
	c.t.Helper()
	file := c.tokenFiles()[0]
	text, err := os.ReadFile(file)
	check(c.t, err)
	if !bytes.Contains(text, []byte(before)) {
		c.t.Fatalf("%s does not hold %q", file, before)
	}
	text = bytes.Replace(text, []byte(before), []byte(after), 1)
	check(c.t, store.Replace(file, text))
	return text
}

// newCustomer is a computer on which nothing of the plugin is there but its
// configuration, whose npm registry is the given one, and whose cache is empty. Only
// what OpenCode installs for any plugin, which takes minutes, is there.
func newCustomer(t *testing.T, version string, registry *registry, config config) *computer {
	t.Helper()
	home, err := opencode.NewHome(tempDir(t), version)
	if errors.Is(err, opencode.ErrNotInstalled) {
		t.Skip(err)
	}
	check(t, err)
	c := &computer{Home: home, t: t, version: version}
	t.Cleanup(c.isQuiet)
	prepare(t, c, version)
	c.write(c.ConfigDir(), "opencode.json", customerConfig())
	c.write(c.ConfigDir(), "oci-auth.config.jsonc", config)
	browser := filepath.Join(c.Dir, "browser")
	check(t, os.WriteFile(browser, []byte("#!/bin/sh\nprintf '%s\\n' \"$1\" >> \"$OPENED\"\n"), 0o700))
	c.Environ = append(c.Environ, "BROWSER="+browser, "npm_config_registry="+registry.url)
	return c
}

func prepare(t *testing.T, c *computer, version string) {
	t.Helper()
	root, err := opencode.Root()
	check(t, err)
	preparing.Lock()
	defer preparing.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), prepareLimit)
	defer cancel()
	check(t, c.Prepare(ctx, filepath.Join(root, "build", "e2e", "opencode-"+version)))
}

func customerConfig(plugins ...string) map[string]any {
	return map[string]any{
		"plugin": append([]string{}, plugins...),
		"model":  "oci-oidc/" + domaintest.DefaultModel,
		"provider": map[string]any{"oci-oidc": map[string]any{
			"models": map[string]any{domaintest.DefaultModel: map[string]any{"name": "Stand-in"}},
		}},
	}
}

// A registry is an npm registry on loopback that has both releases, and everything
// else from where this machine's npm gets it.
type registry struct {
	url string
	dir string // where verdaccio and pnpm are installed
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	root, err := opencode.Root()
	check(t, err)
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	files := append(packages(t, release), packages(t, nextRelease)...)
	address := fmt.Sprintf("127.0.0.1:%d", domaintest.FreePort())
	r := &registry{url: "http://" + address + "/", dir: filepath.Join(root, "e2e", "registry")}

	upstream, err := exec.Command("npm", "config", "get", "registry").Output()
	check(t, err)
	home := tempDir(t)
	settings := fmt.Sprintf(`
storage: %s
uplinks: { upstream: { url: %q } }
packages:
  opencode-oci-oidc: { access: $all, publish: $anonymous }
  '@opencode-oci-oidc/*': { access: $all, publish: $anonymous }
  '**': { access: $all, proxy: upstream }
log: { type: stdout, level: error }
`, filepath.Join(home, "storage"), strings.TrimSpace(string(upstream)))
	check(t, os.WriteFile(filepath.Join(home, "config.yaml"), []byte(settings), 0o600))
	ctx, stop := context.WithCancel(context.Background())
	verdaccio := exec.CommandContext(ctx, "node", filepath.Join(r.dir, "node_modules", "verdaccio", "bin", "verdaccio"),
		"--config", filepath.Join(home, "config.yaml"), "--listen", address)
	check(t, verdaccio.Start())
	t.Cleanup(func() { stop(); _ = verdaccio.Wait() })
	client := http.Client{Timeout: time.Second}
	eventually(t, func() error {
		answer, err := client.Get(r.url + "-/ping")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err
	})

	npmrc := filepath.Join(home, "npmrc")
	check(t, os.WriteFile(npmrc, []byte("//"+address+"/:_authToken=anonymous\n"), 0o600))
	for _, file := range files {
		publish := exec.Command("npm", "publish", file, "--registry", r.url, "--userconfig", npmrc)
		if output, err := publish.CombinedOutput(); err != nil {
			t.Fatalf("npm publish: %v\n%s", err, output)
		}
	}
	return r
}

// packages returns the packed packages of a release, the plugin last.
func packages(t *testing.T, version string) []string {
	t.Helper()
	root, err := opencode.Root()
	check(t, err)
	dir := filepath.Join(root, "build", "release-"+version, "npm")
	files, err := filepath.Glob(filepath.Join(dir, "opencode-oci-oidc-helper-*.tgz"))
	check(t, err)
	if len(files) == 0 {
		t.Skip("no releases to publish: run make releases")
	}
	return append(files, filepath.Join(dir, "opencode-oci-oidc-"+version+".tgz"))
}

// A client installs npm packages.
type client struct {
	registry        *registry
	command         []string
	environ         []string
	withoutOptional []string
}

func (r *registry) clients(t *testing.T) map[string]client {
	t.Helper()
	clients := map[string]client{
		"npm":  {r, []string{"npm", "install"}, nil, []string{"--omit=optional"}},
		"pnpm": {r, []string{"node", filepath.Join(r.dir, "node_modules", "pnpm", "bin", "pnpm.cjs"), "add"}, nil, []string{"--no-optional"}},
	}
	// OpenCode has a whole Bun inside.
	if bun, err := opencode.Program(opencode.Latest); err == nil {
		clients["bun"] = client{r, []string{bun, "add"}, []string{"BUN_BE_BUN=1"}, []string{"--omit=optional"}}
	}
	return clients
}

// installed installs the plugin into a new project and returns the first line of what
// the helper says of its version, or else why there is none.
func (c client) installed(t *testing.T, args ...string) string {
	t.Helper()
	project := tempDir(t)
	check(t, os.WriteFile(filepath.Join(project, "package.json"), []byte(`{"type":"module"}`), 0o600))
	check(t, os.WriteFile(filepath.Join(project, "find.js"), []byte(`
import { execFileSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
const { launch } = await import(pathToFileURL(realpathSync('node_modules/opencode-oci-oidc/lib/program.js')).href)
try {
  launch((child) => {
    child.stdin.end()
    console.log(execFileSync(child.spawnfile, ['version'], { encoding: 'utf8' }).split('\n')[0])
    return { end() {} }
  })
} catch (error) {
  console.log(error.message)
}`), 0o600))
	run := func(command ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), runLimit)
		defer cancel()
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir = project
		cmd.Env = append([]string{"HOME=" + project, "PATH=" + os.Getenv("PATH"), "npm_config_registry=" + c.registry.url}, c.environ...)
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, output)
		}
		return strings.TrimSpace(string(output))
	}
	run(append(append(append([]string{}, c.command...), args...), "opencode-oci-oidc@"+release)...)
	return run("node", "find.js")
}

// nodePlatform is this platform as Node names it.
func nodePlatform() string {
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	return runtime.GOOS + "-" + arch
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
