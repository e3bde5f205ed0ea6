package e2e

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestProgramForARM64: the program for linux-arm64 signs in, answers on --stdio and shares
// one session, on the processor that qemu imitates.
func TestProgramForARM64(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH == "arm64" {
		t.Skip("this machine is one: every test runs the program for arm64")
	}
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Skip("there is no qemu-aarch64-static (Debian: qemu-user-static): the program for arm64 was compiled and vetted, not run")
	}
	domain := domaintest.New(t, domaintest.Options{AutoApproveDevices: true, FamilyRevocation: true})
	w := newForeign(t, confidential(t, domain), &foreign{goos: "linux", goarch: "arm64", runner: qemu})
	if version := w.must("version"); !strings.Contains(version, "linux-arm64") {
		t.Errorf("version: %s", version)
	}
	w.must("connect", "--flow", "device")
	if token := w.must("token"); strings.Count(token, ".") != 2 {
		t.Errorf("token: %d characters that are no token", len(token))
	}
	answer, err := w.run(`{"jsonrpc":"2.0","id":1,"method":"status"}`+"\n", "--stdio")
	if err != nil || !strings.Contains(answer, `"id":1,"result":`) {
		t.Errorf("--stdio: %v\n%s", err, answer)
	}
	w.storms(domain, 1)
}
