package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// openCodePackage is installed by OpenCode next to its configuration files when it has any
// plugin. The start waits for the installation, and a start after a failed one tries again.
const openCodePackage = "@opencode-ai/plugin"

func checkFirstStart(_ context.Context, sys *system) Finding {
	if sys.openCode == 2 {
		return skip("OpenCode 2 installs nothing beside the configuration")
	}
	if !slices.ContainsFunc(sys.files, func(f *openCodeFile) bool { return len(f.Plugin) > 0 }) {
		return skip("not checked without a plugin")
	}
	var missing []string
	for _, dir := range sys.openCodeDirs() {
		if !hasOpenCodePackage(dir) && store.Writable(dir) == nil && !sys.givesUpSoon(dir) {
			missing = append(missing, dir)
		}
	}
	if len(missing) == 0 {
		return ok("waits for no installation")
	}
	var details []string
	for _, dir := range missing {
		details = append(details, "not yet in "+dir)
	}
	return warn(fmt.Sprintf("OpenCode has not installed its %s: the next start waits for the npm registry, and where that refuses connections each start waits more than a minute.", openCodePackage),
		fmt.Sprintf("Start OpenCode where it reaches a registry, or write the lines fetch-retries=0 and fetch-timeout=10000 into %s.", filepath.Join(npmDir(missing[0]), ".npmrc")), details...)
}

// openCodeDirs are the directories in which OpenCode installs the package.
func (sys *system) openCodeDirs() (dirs []string) {
	if len(sys.Places.ConfigDirs) > 0 {
		dirs = append(dirs, sys.Places.ConfigDirs[0])
	}
	var optional []string
	for _, dir := range sys.projectDirs() {
		optional = append(optional, filepath.Join(dir, ".opencode"))
	}
	if sys.Places.Home != "" {
		optional = append(optional, filepath.Join(sys.Places.Home, ".opencode"))
	}
	if named := os.Getenv("OPENCODE_CONFIG_DIR"); named != "" {
		optional = append(optional, named)
	}
	for _, dir := range optional {
		if exists(dir) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// hasOpenCodePackage checks what OpenCode itself checks: that node_modules exists, with any
// content, and that the lock file (up to version 1.3 the package.json) names the package.
func hasOpenCodePackage(dir string) bool {
	type manifest struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	var (
		lock struct {
			Packages map[string]manifest `json:"packages"`
		}
		direct manifest
	)
	read := func(name string, into any) {
		if text, err := regular.Read(filepath.Join(dir, name), maxOpenCodeSize); err == nil {
			_ = json.Unmarshal(text, into)
		}
	}
	read("package-lock.json", &lock)
	if exists(filepath.Join(dir, "bun.lock")) {
		read("package.json", &direct)
	}
	named := cmp.Or(lock.Packages[""].Dependencies[openCodePackage], direct.Dependencies[openCodePackage])
	return named != "" && exists(filepath.Join(dir, "node_modules"))
}

// givesUpSoon reports whether npm is set to give up at once when a connection is refused. By
// default it tries again after 10 and after 60 seconds.
func (sys *system) givesUpSoon(dir string) bool {
	var settings strings.Builder
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(strings.ToLower(name), "npm_config_") {
			fmt.Fprintf(&settings, "%s=%s\n", strings.ReplaceAll(strings.ToLower(name[len("npm_config_"):]), "_", "-"), value)
		}
	}
	for _, in := range []string{npmDir(dir), sys.Places.Home} {
		text, _ := regular.Read(filepath.Join(in, ".npmrc"), maxOpenCodeSize)
		fmt.Fprintf(&settings, "%s\n", text)
	}
	return hasty().MatchString(settings.String())
}

// npmDir returns the directory whose .npmrc npm reads when it runs in dir: the root of the
// package around dir, or else dir.
func npmDir(dir string) string {
	for up := dir; ; up = filepath.Dir(up) {
		if exists(filepath.Join(up, "package.json")) || exists(filepath.Join(up, "node_modules")) {
			return up
		}
		if up == filepath.Dir(up) {
			return dir
		}
	}
}

var hasty = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^\s*(fetch-retries\s*=\s*"?0"?|offline\s*=\s*"?true"?)\s*$`)
})
