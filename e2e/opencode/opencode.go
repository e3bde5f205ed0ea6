// Package opencode runs the real OpenCode, in versions pinned by package.json
// beside it, each time in a home directory of its own: for the end-to-end tests,
// the demo and the measurements.
//
// Such a run reads nothing of the person's own OpenCode, needs no internet, and
// leaves nothing behind but its home.
package opencode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The versions that package.json brings: Latest is what people use, the others
// are the oldest supported one and the first with plugins as they are today.
const (
	Latest = "1.18.33"
	Middle = "1.14.41"
	Oldest = "1.2.20"
)

// ErrNotInstalled means that npm has not brought the version, or that there is
// none for this platform.
var ErrNotInstalled = errors.New("not installed: run make e2e once")

// Root returns the top of the repository that the working directory is in.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside the repository", start)
		}
	}
}

// Program returns the path of OpenCode's program in one of the pinned versions.
// It is the platform's package itself: opencode-ai's own command is a link that
// only its install script makes, and install scripts are not run.
func Program(version string) (string, error) { return find(version, platforms()) }

// find returns the path of the program in the first package of names that has the version.
func find(version string, names []string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	modules := filepath.Join(root, "e2e", "opencode", "node_modules")
	for _, name := range names {
		for _, dir := range []string{filepath.Join(modules, "opencode-"+version, "node_modules", name), filepath.Join(modules, name)} {
			var manifest struct{ Version string }
			text, err := os.ReadFile(filepath.Join(dir, "package.json"))
			if err == nil && json.Unmarshal(text, &manifest) == nil && manifest.Version == version {
				return filepath.Join(dir, "bin", "opencode"+exe()), nil
			}
		}
	}
	return "", fmt.Errorf("OpenCode %s for %s-%s is %w", version, runtime.GOOS, runtime.GOARCH, ErrNotInstalled)
}

// platforms returns the names of the packages that may hold the program here, the
// best one first: the baseline builds do without AVX2.
func platforms() []string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	name := "opencode-" + runtime.GOOS + "-" + arch
	names := []string{name, name + "-baseline"}
	if cpu, err := os.ReadFile("/proc/cpuinfo"); err == nil && arch == "x64" && !strings.Contains(string(cpu), " avx2") {
		slices.Reverse(names)
	}
	return names
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// A Home is a home directory in which one version of OpenCode runs.
type Home struct {
	Dir     string   // absolute; below it is everything that OpenCode and its plugins write
	Project string   // a directory in it, in which OpenCode is started
	Environ []string // the whole environment of OpenCode; may be added to

	version, program string
}

// NewHome makes a home for version in the empty or missing directory dir.
func NewHome(dir, version string) (*Home, error) {
	program, err := Program(version)
	if err != nil {
		return nil, err
	}
	home := &Home{Dir: dir, Project: filepath.Join(dir, "project"), version: version, program: program}
	for _, sub := range []string{home.Project, home.ConfigDir(), home.cache(), filepath.Join(dir, "tmp")} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return nil, err
		}
	}
	home.Environ = []string{
		"HOME=" + dir, "TMPDIR=" + filepath.Join(dir, "tmp"), "PATH=" + os.Getenv("PATH"),
		"LANG=C.UTF-8", "TERM=xterm-256color", "NO_COLOR=1",
		"OPENCODE_DISABLE_AUTOUPDATE=1", "OPENCODE_DISABLE_MODELS_FETCH=1",
		// Up to 1.3: plugins that are to be fetched, and a catalogue that is expected.
		"OPENCODE_DISABLE_DEFAULT_PLUGINS=1",
	}
	if runtime.GOOS == "windows" {
		home.Environ = append(home.Environ, "USERPROFILE="+dir, "SYSTEMROOT="+os.Getenv("SYSTEMROOT"))
	}
	return home, os.WriteFile(filepath.Join(home.cache(), "models.json"), []byte("{}"), 0o600)
}

// UseMusl makes the home run OpenCode's build for musl, the C library of Alpine. Its error
// says why that does not start here.
func (h *Home) UseMusl() error {
	var names []string
	for _, name := range platforms() {
		names = append(names, name+"-musl")
	}
	program, err := find(h.version, names)
	if err == nil {
		_, err = exec.Command(program, "--version").Output()
	}
	h.program = program
	return err
}

// ConfigDir is where OpenCode and the plugin look for a person's configuration.
func (h *Home) ConfigDir() string { return filepath.Join(h.Dir, ".config", "opencode") }

// AuthFile is where OpenCode keeps credentials.
func (h *Home) AuthFile() string {
	return filepath.Join(h.Dir, ".local", "share", "opencode", "auth.json")
}

func (h *Home) cache() string { return filepath.Join(h.Dir, ".cache", "opencode") }

// WriteConfig writes opencode.json into [Home.ConfigDir].
func (h *Home) WriteConfig(config any) error {
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.ConfigDir(), "opencode.json"), text, 0o600)
}

// Command returns a command that runs OpenCode in the project directory with
// empty input. When ctx ends, it and whatever it started are killed; only its own
// process group, so that nothing else is hit.
func (h *Home) Command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, h.program, args...)
	command.Dir = h.Project
	command.Env = slices.Clone(h.Environ)
	command.WaitDelay = 5 * time.Second
	inGroup(command)
	return command
}

// Prepare spares the home what OpenCode otherwise does at its first start with a
// plugin: it installs @opencode-ai/plugin, some 60 MB, beside the configuration.
// The first Prepare for a version lets OpenCode do so in template, a directory
// to be kept for the next ones, which link to it.
func (h *Home) Prepare(ctx context.Context, template string) error {
	if err := h.fill(ctx, template); err != nil {
		return fmt.Errorf("preparing %s: %w", template, err)
	}
	entries, err := os.ReadDir(template)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		from, to := filepath.Join(template, entry.Name()), filepath.Join(h.ConfigDir(), entry.Name())
		if entry.IsDir() {
			err = os.Symlink(from, to)
		} else {
			err = copyFile(from, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fill makes template if it is not there. It appears whole or not at all.
func (h *Home) fill(ctx context.Context, template string) error {
	if _, err := os.Stat(template); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(template), 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(template), "new-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	first := *h
	first.Dir, first.Project = dir, filepath.Join(dir, "project")
	for _, sub := range []string{first.Project, first.ConfigDir()} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return err
		}
	}
	plugin := filepath.Join(dir, "plugin.js")
	if err := os.WriteFile(plugin, []byte("export default async () => ({})\n"), 0o600); err != nil {
		return err
	}
	if err := first.WriteConfig(map[string]any{"plugin": []string{"file://" + plugin}}); err != nil {
		return err
	}
	first.Environ = slices.Concat(NPMSettings(), h.Environ, []string{"HOME=" + dir})
	for tries := 3; ; tries-- { // it downloads 60 MB
		// Asks for nothing that needs a provider, but starts up as a whole.
		output, err := first.Command(ctx, "run", "--model", "none/none", "hi").CombinedOutput()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		_, missing := os.Stat(filepath.Join(first.ConfigDir(), "node_modules", "@opencode-ai", "plugin"))
		if missing == nil {
			break
		}
		if tries == 1 {
			return fmt.Errorf("OpenCode did not install @opencode-ai/plugin (%v):\n%s", err, output)
		}
	}
	if err := os.Remove(filepath.Join(first.ConfigDir(), "opencode.json")); err != nil {
		return err
	}
	err = os.Rename(first.ConfigDir(), template)
	if _, there := os.Stat(template); err != nil && there == nil {
		return nil // another process was faster
	}
	return err
}

// NPMSettings are the person's own variables that npm goes by: what is installed
// comes through their proxy, from their registry.
func NPMSettings() (settings []string) {
	if home, err := os.UserHomeDir(); err == nil {
		settings = append(settings, "npm_config_userconfig="+filepath.Join(home, ".npmrc"))
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(strings.ToLower(variable), "=")
		if strings.HasPrefix(name, "npm_config_") || strings.HasSuffix(name, "_proxy") || name == "node_extra_ca_certs" {
			settings = append(settings, variable)
		}
	}
	return settings
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}
