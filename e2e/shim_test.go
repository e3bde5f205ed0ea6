package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
)

// TestShimInBun: what npm-shim's tests show under Node holds in OpenCode's own runtime,
// too. Its streams, timers and fetch differ.
func TestShimInBun(t *testing.T) {
	t.Parallel()
	program, err := opencode.Program(opencode.Latest)
	if errors.Is(err, opencode.ErrNotInstalled) {
		t.Skip(err)
	}
	check(t, err)
	root, err := opencode.Root()
	check(t, err)
	shim := filepath.Join(root, "npm-shim")
	files, err := filepath.Glob(filepath.Join(shim, "test", "*.test.js"))
	check(t, err)
	// These are about npm's packages and tsc, which run under Node alone, and the whole way
	// with the real helper, which the other tests here go in OpenCode itself.
	files = slices.DeleteFunc(files, func(file string) bool {
		name := strings.TrimSuffix(filepath.Base(file), ".test.js")
		return slices.Contains([]string{"missing", "package", "packaging", "real", "size", "types"}, name)
	})
	command := exec.CommandContext(t.Context(), program, append([]string{"test", "--timeout", "120000"}, files...)...)
	command.Dir = shim
	command.Env = append(os.Environ(), "BUN_BE_BUN=1", "OCI_OIDC_HELPER="+helper(t, root))
	output, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "\n 0 fail\n") {
		t.Errorf("bun test: %v\n%s", err, output)
	}
}
