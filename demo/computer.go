package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

const (
	runLimit    = 2 * time.Minute // of one run of OpenCode
	removeLimit = 10 * time.Second
)

// A computer is a temporary home of Maria, the person in the demo. It has OpenCode, the
// plugin of the working tree and the helper built from it.
type computer struct {
	*opencode.Home
	name string
	say  *transcript
}

// newComputer makes a computer with nothing configured.
func newComputer(ctx context.Context, say *transcript, name string) (*computer, error) {
	root, err := opencode.Root()
	if err != nil {
		return nil, err
	}
	helper, err := findHelper(root)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "oci-oidc-demo-")
	if err != nil {
		return nil, err
	}
	c := &computer{name: name, say: say}
	if c.Home, err = opencode.NewHome(dir, opencode.Latest); err != nil {
		_ = os.RemoveAll(dir)
		if errors.Is(err, opencode.ErrNotInstalled) {
			return nil, fmt.Errorf("there is no OpenCode %s for this platform yet: make demo brings it from npm", opencode.Latest)
		}
		return nil, err
	}
	c.Environ = append(c.Environ, "OCI_OIDC_HELPER="+helper)
	if err := c.prepare(ctx, filepath.Join(root, "build", "e2e", "opencode-"+opencode.Latest)); err != nil {
		c.remove()
		return nil, err
	}
	return c, nil
}

// findHelper returns the program that make has built.
func findHelper(root string) (string, error) {
	helper := os.Getenv("OCI_OIDC_HELPER")
	if helper == "" {
		helper = filepath.Join(root, "build", "oci-oidc-helper")
		if runtime.GOOS == "windows" {
			helper += ".exe"
		}
	}
	if _, err := os.Stat(helper); err != nil {
		return "", fmt.Errorf("the helper is not built, run make build: %w", err)
	}
	return filepath.Abs(helper)
}

// configure writes what the README tells a person to write, and the secret where
// only they can read it.
func (c *computer) configure(config pluginConfig) error {
	root, err := opencode.Root()
	if err != nil {
		return err
	}
	if config.Secret != "" {
		file := filepath.Join(c.Dir, ".secrets", "client-secret")
		if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(config.Secret), 0o600)); err != nil {
			return err
		}
		config.Secret = "{file:~/.secrets/client-secret}"
	}
	model := map[string]any{domaintest.DefaultModel: map[string]any{"name": "Stand-in model"}}
	err = c.WriteConfig(map[string]any{
		"plugin":   []string{"file://" + filepath.ToSlash(filepath.Join(root, "npm-shim"))},
		"model":    "oci-oidc/" + domaintest.DefaultModel,
		"provider": map[string]any{"oci-oidc": map[string]any{"models": model}},
	})
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.ConfigDir(), "oci-auth.config.jsonc"), text, 0o600)
}

// show shows files of the configuration.
func (c *computer) show(names ...string) error {
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(c.ConfigDir(), name))
		if err != nil {
			return err
		}
		c.say.command("cat", "~/.config/opencode/"+name)
		if _, err := c.say.quote(nil).Write(append(bytes.TrimSpace(text), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// opencode runs OpenCode to its end and shows what it prints; hear, if not nil,
// gets it line by line. It returns what went to standard output.
func (c *computer) opencode(ctx context.Context, hear func(line string) error, args ...string) (stdout string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, fmt.Errorf("OpenCode has not ended after %v", runLimit))
	defer cancel()
	c.say.command("opencode", args...)
	defer c.say.wait("OpenCode is at work")()

	var output bytes.Buffer
	command := c.Command(ctx, args...)
	shown, complaints := c.say.quote(hear), c.say.quote(hear)
	command.Stdout, command.Stderr = io.MultiWriter(&output, shown), complaints
	err = command.Run()
	shown.end()
	complaints.end()
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case shown.err != nil:
		err = shown.err
	case complaints.err != nil:
		err = complaints.err
	case err != nil:
		err = fmt.Errorf("opencode %s: %w", args[0], err)
	}
	return strings.TrimSpace(plain(output.String())), err
}

// checkAuthFile shows what OpenCode itself has saved of a sign-in.
func (c *computer) checkAuthFile() error {
	text, err := os.ReadFile(c.AuthFile())
	if err != nil {
		return errors.New("the sign-in has failed: OpenCode has kept nothing of it")
	}
	if strings.Contains(string(text), "eyJ") {
		return fmt.Errorf("%s holds a token", c.AuthFile())
	}
	c.say.good("Signed in. OpenCode's auth.json holds a placeholder: the tokens are the helper's.")
	return nil
}

// remove saves the logs and removes the home. It retries for a moment, because a process
// that has just been ended may still write to the home.
func (c *computer) remove() {
	keepLogs(c.Dir, c.name)
	deadline := time.Now().Add(removeLimit)
	for os.RemoveAll(c.Dir) != nil && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := os.Stat(c.Dir); err == nil {
		c.say.failed("The temporary home " + c.Dir + " could not be removed.")
	}
}
