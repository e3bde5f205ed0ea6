package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWindowsProgramUnderWine runs the program for Windows where there is a wine
// that can run Go's programs; everywhere else it was only vetted.
func TestWindowsProgramUnderWine(t *testing.T) {
	wine, err := exec.LookPath("wine")
	if err != nil {
		t.Skip("there is no wine: the program for Windows was compiled and vetted, not run")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "oci-oidc-helper.exe")
	build := exec.Command("go", "build", "-o", program, "../cmd/oci-oidc-helper")
	build.Env = append(os.Environ(), "GOOS=windows", "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	run := func(stdin string, args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), prepareLimit)
		defer cancel()
		command := exec.CommandContext(ctx, wine, append([]string{program}, args...)...)
		command.Dir = dir
		command.Env = append(os.Environ(), "WINEPREFIX="+filepath.Join(dir, "prefix"), "WINEDEBUG=-all", "HOME="+dir)
		command.Stdin = strings.NewReader(stdin)
		output, err := command.CombinedOutput()
		return string(output), err
	}
	version, err := run("", "version")
	if err != nil && strings.Contains(version, "bcryptprimitives") {
		t.Skip("this wine has no bcryptprimitives.dll, without which no program of Go's starts: the program for Windows was compiled and vetted, not run")
	}
	if err != nil || !strings.Contains(version, "windows-amd64") {
		t.Fatalf("version: %v\n%s", err, version)
	}
	status, err := run("", "status")
	if err == nil || !strings.Contains(status, `AppData`) || !strings.Contains(status, "oci-auth.config.jsonc") {
		t.Errorf("status looks for the configuration elsewhere: %v\n%s", err, status)
	}
	answer, err := run(`{"jsonrpc":"2.0","id":1,"method":"status"}`+"\n", "--stdio")
	if err != nil || !strings.Contains(answer, `"id":1,"result":`) || !strings.Contains(answer, `opencode-oci-oidc\\plugin.log`) {
		t.Errorf("--stdio: %v\n%s", err, answer)
	}
}
