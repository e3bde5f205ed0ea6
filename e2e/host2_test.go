package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// inHost2 runs a test in the stand-in for OpenCode 2, in each of the JavaScript runtimes in
// which it may run its plugins. No program of OpenCode 2 was seen: e2e/host2 is written from its
// documents and its source.
func inHost2(t *testing.T, test func(t *testing.T, name string)) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in host is not made for Windows")
	}
	for _, name := range []string{"node", "bun"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name)
		})
	}
}

// withHost2 runs a test in a new host each, at a domain that signs everybody in at once.
func withHost2(t *testing.T, test func(t *testing.T, domain *domaintest.Server, me *host2)) {
	t.Helper()
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		test(t, domain, newHost2(t, name, confidential(t, domain)))
	})
}

// A host2 is a running stand-in for OpenCode 2 on a computer of its own.
type host2 struct {
	*computer
	plugin string // the folder of the installed package
	pid    int
	stdin  io.WriteCloser

	mu      sync.Mutex
	last    int
	waiting map[int]chan host2Answer
	ended   chan struct{}
}

type host2Answer struct {
	ID        int             `json:"id"`
	Result    json.RawMessage `json:"result"`
	Error     string          `json:"error"`
	Unhandled string          `json:"unhandled"` // a promise that nobody heard
}

// newHost2 starts a host on a computer with the packed plugin and a configuration for
// the person, and loads the plugin for the project.
func newHost2(t *testing.T, name string, config config) *host2 {
	t.Helper()
	h := startHost2(t, name)
	h.write(h.ConfigDir(), "oci-auth.config.jsonc", config)
	h.loads(h.Project, nil)
	return h
}

// startHost2 starts a host that has loaded nothing, with some more variables.
func startHost2(t *testing.T, name string, environ ...string) *host2 {
	t.Helper()
	root, err := opencode.Root()
	check(t, err)
	if _, err := os.Stat(filepath.Join(root, "e2e", "host2", "node_modules", "effect")); err != nil {
		t.Skip("OpenCode 2's HTTP client is not installed: run make e2e once")
	}
	home, err := opencode.NewHome(tempDir(t), opencode.Latest)
	if errors.Is(err, opencode.ErrNotInstalled) {
		t.Skip(err)
	}
	check(t, err)
	h := &host2{computer: &computer{Home: home, t: t, helper: helper(t, root)}, waiting: map[int]chan host2Answer{}, ended: make(chan struct{})}
	t.Cleanup(h.isQuiet)
	h.plugin = h.installs(packed(t, root, h.helper))
	browser := filepath.Join(h.Dir, "browser")
	check(t, os.WriteFile(browser, []byte("#!/bin/sh\nprintf '%s\\n' \"$1\" >> \""+filepath.Join(h.Dir, "opened")+"\"\n"), 0o700))
	h.Environ = append(append(h.Environ, "BROWSER="+browser), environ...)

	program, args := "node", []string{"--expose-gc"}
	if name == "bun" { // OpenCode's program is one
		program, err = opencode.Program(opencode.Latest)
		check(t, err)
		args = nil
		h.Environ = append(h.Environ, "BUN_BE_BUN=1")
	}
	// Solid's reactive build, which a terminal has.
	command := exec.CommandContext(t.Context(), program, append(args, "--conditions=browser", filepath.Join(root, "e2e", "host2", "main.js"))...)
	command.Env, command.Dir = h.Environ, h.Project
	var stderr text
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	check(t, err)
	h.stdin, err = command.StdinPipe()
	check(t, err)
	check(t, command.Start())
	h.pid = command.Process.Pid
	go h.reads(stdout)
	t.Cleanup(func() {
		_ = h.stdin.Close()
		<-h.ended
		if err := command.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("the host ended: %v", err)
		}
		if t.Failed() && stderr.String() != "" {
			t.Logf("the host says on stderr:\n%s", stderr.String())
		}
	})
	return h
}

// packed returns the folder with the packages that npm pack makes for this platform.
func packed(t *testing.T, root, helper string) string {
	t.Helper()
	packOnce.Do(func() {
		if packWork, packErr = os.MkdirTemp("", "oci-oidc-packed-"); packErr == nil {
			packedIn, packErr = pack(packWork, root, helper)
		}
	})
	check(t, packErr)
	return packedIn
}

var (
	packOnce           sync.Once
	packWork, packedIn string
	packErr            error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if packWork != "" {
		_ = os.RemoveAll(packWork)
	}
	os.Exit(code)
}

// pack packs in the directory work.
func pack(work, root, helper string) (string, error) {
	dist := filepath.Join(work, "dist")
	artifacts := []map[string]string{{"type": "Binary", "path": helper, "goos": runtime.GOOS, "goarch": runtime.GOARCH}}
	list, err := json.Marshal(artifacts)
	if err == nil {
		err = errors.Join(os.MkdirAll(dist, 0o755),
			os.WriteFile(filepath.Join(dist, "artifacts.json"), list, 0o644),
			os.WriteFile(filepath.Join(dist, "metadata.json"), []byte(`{"version": "0.0.0-e2e"}`), 0o644))
	}
	if err != nil {
		return "", err
	}
	command := exec.Command("node", filepath.Join(root, "npm-shim", "packaging", "pack.js"), "dist")
	command.Dir = work
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("pack.js: %w\n%s", err, output)
	}
	return filepath.Join(dist, "npm"), nil
}

// installs unpacks the packages as OpenCode 2 installs them, beside what it supplies.
func (h *host2) installs(packages string) (plugin string) {
	h.t.Helper()
	root, err := opencode.Root()
	check(h.t, err)
	modules := filepath.Join(h.Dir, ".cache", "opencode", "npm", "opencode-oci-oidc@0.0.0-e2e", "1", "node_modules")
	plugin = filepath.Join(modules, "opencode-oci-oidc")
	archives, err := filepath.Glob(filepath.Join(packages, "*.tgz"))
	check(h.t, err)
	for _, archive := range archives {
		folder := plugin
		if strings.Contains(filepath.Base(archive), "-helper-") {
			folder = filepath.Join(modules, "@opencode-oci-oidc", "helper-"+nodePlatform())
		}
		check(h.t, os.MkdirAll(folder, 0o755))
		if output, err := exec.Command("tar", "-xzf", archive, "-C", folder, "--strip-components=1").CombinedOutput(); err != nil {
			h.t.Fatalf("tar: %v\n%s", err, output)
		}
	}
	opentui := filepath.Join(modules, "@opentui", "solid")
	check(h.t, os.MkdirAll(opentui, 0o755))
	check(h.t, os.WriteFile(filepath.Join(opentui, "package.json"), []byte(`{"type": "module", "exports": "./index.js"}`), 0o644))
	check(h.t, os.WriteFile(filepath.Join(opentui, "index.js"), fmt.Appendf(nil,
		"import { renderer } from %q\nexport const { createElement, effect, insert, setProp } = renderer\n", filepath.Join(root, "e2e", "host2", "tui.js")), 0o644))
	check(h.t, os.Symlink(filepath.Join(root, "e2e", "host2", "node_modules", "solid-js"), filepath.Join(modules, "solid-js")))
	return plugin
}

func (h *host2) reads(stdout io.Reader) {
	defer close(h.ended)
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var answer host2Answer
		if err := json.Unmarshal(lines.Bytes(), &answer); err != nil {
			h.t.Errorf("the host says %q", lines.Text())
			continue
		}
		if answer.Unhandled != "" {
			h.t.Errorf("a promise that nobody hears was rejected: %s", answer.Unhandled)
			continue
		}
		h.mu.Lock()
		waiting := h.waiting[answer.ID]
		delete(h.waiting, answer.ID)
		h.mu.Unlock()
		waiting <- answer
	}
}

// tries has the host do something; into is what the result is decoded into, or nil.
func (h *host2) tries(do string, given args, into any) error {
	h.t.Helper()
	command := map[string]any{"do": do}
	for key, value := range given {
		command[key] = value
	}
	answered := make(chan host2Answer, 1)
	h.mu.Lock()
	h.last++
	command["id"] = h.last
	h.waiting[h.last] = answered
	h.mu.Unlock()
	line, err := json.Marshal(command)
	check(h.t, err)
	if _, err := h.stdin.Write(append(line, '\n')); err != nil {
		return err
	}
	select {
	case answer := <-answered:
		if answer.Error != "" {
			return errors.New(answer.Error)
		}
		if into != nil {
			return json.Unmarshal(answer.Result, into)
		}
		return nil
	case <-h.ended:
		return errors.New("the host has ended")
	case <-time.After(runLimit):
		return fmt.Errorf("the host has not answered %q", do)
	}
}

func (h *host2) does(do string, given args, into any) {
	h.t.Helper()
	if err := h.tries(do, given, into); err != nil {
		h.t.Fatalf("%s %v: %v", do, given, err)
	}
}

// loads loads the plugin for a directory, with the person's own configuration of OpenCode.
func (h *host2) loads(directory string, own map[string]any) {
	h.t.Helper()
	if plugin, message := h.loadsIn(directory, args{"config": own}); plugin != "active" {
		h.t.Fatalf("the plugin is %s: %s", plugin, message)
	}
}

// loadsIn loads the plugin for a directory, which is made if need be, and returns what became of it.
func (h *host2) loadsIn(directory string, given args) (plugin, message string) {
	h.t.Helper()
	check(h.t, os.MkdirAll(directory, 0o700))
	with := args{"directory": directory, "folder": h.plugin}
	for key, value := range given {
		with[key] = value
	}
	var loaded struct{ Plugin, Error string }
	h.does("load", with, &loaded)
	return loaded.Plugin, loaded.Error
}

// An attempt2 is a sign-in that was begun.
type attempt2 struct {
	ID           string
	URL          string
	Instructions string
	Mode         string
	Device       bool
	Expires      int64

	host *host2
	in   string
}

// begins begins a sign-in in the project.
func (h *host2) begins(method string) *attempt2 { return h.beginsIn(h.Project, method, nil) }

func (h *host2) beginsIn(directory, method string, answer map[string]any) *attempt2 {
	h.t.Helper()
	a := &attempt2{host: h, in: directory}
	h.does("connect", args{"directory": directory, "integration": "oci-oidc", "method": method, "answer": answer}, a)
	return a
}

// ends waits for the end of the sign-in and returns how it ended, and why.
func (a *attempt2) ends() (status, message string) {
	a.host.t.Helper()
	eventually(a.host.t, func() error {
		var now struct{ Status, Message string }
		a.host.does("attempt", args{"directory": a.in, "attempt": a.ID}, &now)
		status, message = now.Status, now.Message
		if status == "pending" {
			return errors.New("the sign-in has not ended")
		}
		return nil
	})
	return status, message
}

// succeeds fails the test unless the sign-in ends well, with no token in what OpenCode keeps.
func (a *attempt2) succeeds() {
	a.host.t.Helper()
	if status, message := a.ends(); status != "complete" {
		a.host.t.Fatalf("the sign-in is %s: %s", status, message)
	}
	a.host.keepsNoToken()
	a.host.lists(a.in, "oci-oidc/"+domaintest.DefaultModel)
}

// lists waits for a model: on a busy machine the endpoint lists them a little later.
func (h *host2) lists(directory, model string) {
	h.t.Helper()
	eventually(h.t, func() error {
		if models := h.models(directory); !slices.Contains(models, model) {
			return fmt.Errorf("OpenCode lists the models %q, without %s", models, model)
		}
		return nil
	})
}

func (h *host2) keepsNoToken() {
	h.t.Helper()
	var kept json.RawMessage
	h.does("credentials", nil, &kept)
	for _, file := range h.tokenFiles() {
		var saved map[string]any
		text, err := os.ReadFile(file)
		check(h.t, err)
		check(h.t, json.Unmarshal(text, &saved))
		for key, value := range saved {
			if token, ok := value.(string); ok && strings.HasSuffix(key, "Token") && strings.Contains(string(kept), token) {
				h.t.Errorf("OpenCode keeps the %s", key)
			}
		}
	}
}

// signsIn signs in with a browser that approves by itself.
func (h *host2) signsIn(directory string) {
	h.t.Helper()
	attempt := h.beginsIn(directory, "browser", nil)
	approves(h.t, attempt.URL)
	attempt.succeeds()
}

// An outcome is what came of a request to a model.
type outcome struct {
	Text     string
	Error    string
	Status   int
	Attempts int
	Defect   bool
}

func (h *host2) asks(given args) (o outcome) {
	h.t.Helper()
	with := args{"directory": h.Project, "providerID": "oci-oidc"}
	for key, value := range given {
		with[key] = value
	}
	h.does("ask", with, &o)
	return o
}

func (h *host2) answers(given args, want string) {
	h.t.Helper()
	if o := h.asks(given); o.Text != want || o.Error != "" {
		h.t.Errorf("OpenCode gets %q (%s), want %q", o.Text, o.Error, want)
	}
}

// A connection is an account as OpenCode shows it.
type connection struct {
	ID     string
	Label  string
	Status *struct{ Status, Message string }
}

func (h *host2) connections(directory string) []connection {
	h.t.Helper()
	var integrations []struct {
		ID          string
		Connections []connection
	}
	h.does("integrations", args{"directory": directory}, &integrations)
	for _, integration := range integrations {
		if integration.ID == "oci-oidc" {
			return integration.Connections
		}
	}
	h.t.Fatal("OpenCode does not offer the sign-in")
	return nil
}

// models are the names of the models that OpenCode lists.
func (h *host2) models(directory string) (names []string) {
	h.t.Helper()
	var providers []struct {
		ID     string
		Models []struct{ ID string }
	}
	h.does("providers", args{"directory": directory}, &providers)
	for _, provider := range providers {
		for _, model := range provider.Models {
			names = append(names, provider.ID+"/"+model.ID)
		}
	}
	return names
}

// opened are the addresses for which the helper has started a browser.
func (h *host2) opened() string {
	opened, _ := os.ReadFile(filepath.Join(h.Dir, "opened"))
	return string(opened)
}

// hasHelpers waits until that many helpers run on this computer: one that ends may take longer
// than the plugin waits for it.
func (h *host2) hasHelpers(want int) {
	h.t.Helper()
	eventually(h.t, func() error {
		got := 0
		for _, p := range processes() {
			if h.runs(p) && strings.Contains(p.arguments, "--stdio") {
				got++
			}
		}
		if got != want {
			return fmt.Errorf("%d helpers run, want %d", got, want)
		}
		return nil
	})
}

// confirmation is what OpenCode sends when somebody says yes to a project's configuration.
func (h *host2) confirmation(directory string) string {
	h.t.Helper()
	var integrations []struct {
		Methods []struct {
			Form []struct {
				Options []struct{ Label, Value string }
			}
		}
	}
	h.does("integrations", args{"directory": directory}, &integrations)
	for _, option := range integrations[0].Methods[0].Form[0].Options {
		if option.Label == "Yes" {
			return option.Value
		}
	}
	h.t.Fatal("there is no Yes")
	return ""
}
