package doctor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/jsonc"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

const (
	pluginName = "opencode-oci-oidc"
	providerID = config.Provider
)

func (e *pluginEntry) UnmarshalJSON(text []byte) error {
	var list []json.RawMessage
	var object struct {
		Package json.RawMessage `json:"package"`
	}
	if json.Unmarshal(text, &list) == nil && len(list) > 0 {
		text = list[0]
	} else if json.Unmarshal(text, &object) == nil && object.Package != nil {
		text = object.Package
	}
	return json.Unmarshal(text, (*string)(e))
}

// entries returns the plugins that this major version of OpenCode loads.
func (f *openCodeFile) entries(major int) []pluginEntry {
	if major == 2 {
		return slices.Concat(f.Plugins, f.Plugin)
	}
	return f.Plugin
}

func checkOpenCode(ctx context.Context, sys *system) Finding {
	program, err := exec.LookPath("opencode")
	if err != nil {
		return warn("There is no opencode on the PATH.", "If you use OpenCode, see that its program can be found.")
	}
	command := exec.CommandContext(ctx, program, "--version")
	if sys.config != nil {
		command.Env = sys.config.Environ()
	}
	output, err := command.Output()
	version := strings.TrimSpace(string(output))
	if err != nil || !semver().MatchString(version) {
		return warn(program+" does not tell its version.", "Try: opencode --version")
	}
	sys.openCode = 1
	if rest, isSecond := strings.CutPrefix(version, "2."); isSecond {
		sys.openCode = 2
		if slices.ContainsFunc([]string{"0.0", "0.1", "0.2", "0.3"}, func(old string) bool {
			return rest == old || strings.HasPrefix(rest, old+"-")
		}) {
			return fail(problem.Config, "OpenCode "+version+" cannot run this plugin: plugins provide models in another way since 2.0.4.", "Update OpenCode to 2.0.4 or newer.")
		}
		return ok("OpenCode "+version+", "+program,
			"its plugins run in a service in the background, with the environment of the shell that first started it",
			"to set a variable for them: opencode service set env NAME VALUE")
	}
	if major, _, _ := strings.Cut(version, "."); major != "0" && major != "1" {
		return fail(problem.Config, "OpenCode "+version+" does not run plugins of this kind.", "Use OpenCode 1.2.20 to 1.x, or 2.0.4 to 2.x.")
	}
	return ok("OpenCode " + version + ", " + program)
}

// semver is compiled at its first use, because otherwise every run of the program would
// compile it.
var semver = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\d+\.\d+\.\d+[\w.+-]*$`) })

func checkPlugin(_ context.Context, sys *system) Finding {
	files, err := sys.readOpenCodeFiles()
	if err != nil {
		return failWith(sys, err)
	}
	sys.files = files
	for _, file := range files {
		for _, entry := range file.entries(sys.openCode) {
			if found, ours := sys.judgePlugin(file, string(entry)); ours {
				return found
			}
		}
	}
	hint := "Run: opencode plugin " + pluginName + "@" + sys.pin() + " -g"
	key := "plugin"
	if sys.openCode == 2 {
		hint = "Run: opencode plugin add " + pluginName + "@" + sys.pin()
		key = "plugins"
	}
	if len(files) == 0 {
		return warn("OpenCode has no configuration here, so it does not load the plugin.", hint)
	}
	return warn(fmt.Sprintf("OpenCode does not load the plugin: no configuration has it under %q.", key), hint, paths(files)...)
}

// PluginVersion returns the version of the plugin that belongs to a version of the helper,
// or "" for a helper that was not released.
func PluginVersion(helper string) string {
	if version := strings.TrimPrefix(helper, "v"); semver().MatchString(version) && !strings.Contains(version, "-") {
		return version
	}
	return ""
}

// pin returns the version to write after the plugin's name.
func (sys *system) pin() string { return cmp.Or(PluginVersion(sys.Version), "VERSION") }

// judgePlugin checks an entry of the list of plugins, if it names this plugin.
func (sys *system) judgePlugin(file *openCodeFile, entry string) (found Finding, ours bool) {
	name, version, _ := strings.Cut(strings.TrimPrefix(entry, "npm:"), "@")
	switch path, isFile := pluginPath(file, entry); {
	case isFile && strings.Contains(path, pluginName) && !exists(path):
		return fail(problem.Config, fmt.Sprintf("%s names the plugin %s, which does not exist.", file.path, entry), "Correct the entry under \"plugin\"."), true
	case isFile:
		installed, ok := manifest(path)
		if !ok || installed.Name != pluginName {
			return Finding{}, false
		}
		return sys.judgeVersion(file, entry, installed.Version), true
	case name != pluginName:
		return Finding{}, false
	case !semver().MatchString(version):
		return warn(fmt.Sprintf("%s names %q without a version: OpenCode never looks for a newer one.", file.path, entry),
			fmt.Sprintf("Write %q.", pluginName+"@"+sys.pin())), true
	}
	return sys.judgeVersion(file, entry, version), true
}

// judgeVersion compares the plugin's version with the helper's.
func (sys *system) judgeVersion(file *openCodeFile, entry, version string) Finding {
	if own := PluginVersion(sys.Version); own != "" && own != version {
		return warn(fmt.Sprintf("The plugin is %s, this helper %s.", version, sys.pin()),
			"Use the helper that came with the plugin, or write "+pluginName+"@"+sys.pin()+" under \"plugin\".", "entry "+entry+" in "+file.path)
	}
	return ok(fmt.Sprintf("%s in %s", entry, file.path))
}

// pluginPath returns the path that an entry names, if it names a path.
func pluginPath(file *openCodeFile, entry string) (path string, isFile bool) {
	if rest, ok := strings.CutPrefix(entry, "file://"); ok {
		if unescaped, err := url.PathUnescape(rest); err == nil {
			rest = unescaped
		}
		if runtime.GOOS == "windows" {
			rest = strings.TrimPrefix(rest, "/")
		}
		return filepath.FromSlash(rest), true
	}
	if strings.HasPrefix(entry, ".") {
		return filepath.Join(filepath.Dir(file.path), entry), true
	}
	return entry, filepath.IsAbs(entry)
}

// maxOpenCodeSize limits the size of OpenCode's and npm's files, in bytes.
const maxOpenCodeSize = 64 << 20

type npmManifest struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// manifest reads the package.json in path, or in the directory of the file path.
func manifest(path string) (m npmManifest, ok bool) {
	for _, dir := range []string{path, filepath.Dir(path)} {
		text, err := regular.Read(filepath.Join(dir, "package.json"), maxOpenCodeSize)
		if err == nil && json.Unmarshal(text, &m) == nil {
			return m, true
		}
	}
	return m, false
}

// hidden reports whether OpenCode 1 hides a provider. The first file that has a list decides.
func (sys *system) hidden(provider string) (found Finding, hides bool) {
	disabled, enabled := &openCodeFile{}, &openCodeFile{Enabled: []string{provider}}
	for _, file := range slices.Backward(sys.files) {
		if file.Disabled != nil {
			disabled = file
		}
		if file.Enabled != nil {
			enabled = file
		}
	}
	switch {
	case sys.openCode == 2:
	case slices.Contains(disabled.Disabled, provider):
		return warn(fmt.Sprintf("%s hides the provider %s: it is in disabled_providers.", disabled.path, provider), "Remove it from that list."), true
	case !slices.Contains(enabled.Enabled, provider):
		return warn(fmt.Sprintf("%s hides the provider %s: it is not in enabled_providers.", enabled.path, provider), "Add it to that list."), true
	}
	return Finding{}, false
}

func checkModels(_ context.Context, sys *system) Finding {
	if len(sys.files) == 0 {
		return skip("not checked without a configuration of OpenCode")
	}
	var (
		models, providers []string
		own               = map[string]string{} // base URLs in OpenCode's configuration, by provider
		wanted            string
	)
	for _, file := range sys.files {
		all := maps.Clone(file.Provider)
		if sys.openCode == 2 && all == nil {
			all = file.Providers
		} else if sys.openCode == 2 {
			maps.Copy(all, file.Providers)
		}
		for id, provider := range all {
			own[id] = cmp.Or(own[id], provider.Options.BaseURL, provider.Settings.BaseURL)
			if id == providerID {
				models = append(models, slices.Sorted(maps.Keys(provider.Models))...)
			} else {
				providers = append(providers, id)
			}
		}
		if model, ok := strings.CutPrefix(file.Model, providerID+"/"); ok && wanted == "" {
			wanted = model
		}
	}
	if sys.config != nil {
		for _, e := range sys.config.Endpoints() {
			if written := own[e.Provider()]; written != "" && !sameOrigin(written, e.BaseURL) {
				return fail(problem.Config, fmt.Sprintf("OpenCode's baseURL %s is at another origin than %s %s.", written, e.Key(), e.BaseURL),
					fmt.Sprintf("Remove options.baseURL of the provider %s: the plugin fills it in.", e.Provider()))
			}
			if found, hides := sys.hidden(e.Provider()); hides {
				return found
			}
		}
	}
	hint := fmt.Sprintf(`Name at least one: "provider": {"%s": {"models": {"your-model": {"name": "Your model"}}}}`, providerID)
	switch {
	case len(models) == 0 && sys.openCode == 2:
		return ok("those that the endpoint lists")
	case len(models) == 0 && len(providers) > 0:
		slices.Sort(providers)
		return warn(fmt.Sprintf("OpenCode's configuration has no models for the provider %q, only for %s.", providerID, strings.Join(slices.Compact(providers), ", ")), hint, paths(sys.files)...)
	case len(models) == 0:
		return warn(fmt.Sprintf("OpenCode's configuration has no models for the provider %q.", providerID), hint, paths(sys.files)...)
	case wanted != "" && !slices.Contains(models, wanted):
		return fail(problem.Config, fmt.Sprintf("OpenCode's model %s/%s is not among the provider's models.", providerID, wanted),
			"Correct \"model\", or add it under \"models\".", "models "+strings.Join(models, ", "))
	}
	return ok(strings.Join(models, ", "))
}

func sameOrigin(a, b string) bool {
	u, errA := url.Parse(a)
	v, errB := url.Parse(b)
	return errA == nil && errB == nil && u.Scheme == v.Scheme && strings.EqualFold(u.Host, v.Host)
}

// readOpenCodeFiles reads OpenCode's configuration files, the project's first.
func (sys *system) readOpenCodeFiles() ([]*openCodeFile, error) {
	var candidates []string
	if named := os.Getenv("OPENCODE_CONFIG"); named != "" {
		candidates = append(candidates, named)
	}
	for _, dir := range sys.projectDirs() {
		candidates = append(candidates, filepath.Join(dir, "opencode.jsonc"), filepath.Join(dir, "opencode.json"))
	}
	for _, dir := range sys.Places.ConfigDirs {
		for _, name := range []string{"opencode.jsonc", "opencode.json", "config.json"} {
			candidates = append(candidates, filepath.Join(dir, name))
		}
	}
	var files []*openCodeFile
	for _, path := range candidates {
		text, err := regular.Read(path, maxOpenCodeSize)
		if err != nil || slices.ContainsFunc(files, func(f *openCodeFile) bool { return f.path == path }) {
			continue
		}
		file, err := parseOpenCode(path, text)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// projectDirs returns the project directory and those above it up to the root of its git
// repository, in which OpenCode looks for its configuration.
func (sys *system) projectDirs() (dirs []string) {
	for dir := sys.Directory; ; dir = filepath.Dir(dir) {
		dirs = append(dirs, dir)
		if exists(filepath.Join(dir, ".git")) || dir == filepath.Dir(dir) {
			return dirs
		}
	}
}

func parseOpenCode(path string, text []byte) (*openCodeFile, error) {
	file := &openCodeFile{path: path}
	err := json.Unmarshal(jsonc.ToJSON(text), file)
	if err == nil {
		return file, nil
	}
	var syntax *json.SyntaxError
	line := 1
	if errors.As(err, &syntax) {
		line += bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
	}
	return nil, problem.New(problem.Config, fmt.Sprintf("OpenCode's configuration %s cannot be read, at or before line %d.", path, line),
		"Correct it: it must be JSON, comments allowed.").Because(err)
}

func paths(files []*openCodeFile) []string {
	var all []string
	for _, file := range files {
		all = append(all, file.path)
	}
	return all
}
