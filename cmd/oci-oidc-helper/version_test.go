package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

// The command version prints what the build of a release stamps.
func TestVersionIsStamped(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go to build it with:", err)
	}
	folder := t.TempDir()
	if resolved, err := filepath.EvalSymlinks(folder); err == nil { // macOS has a link in it
		folder = resolved
	}
	helper := filepath.Join(folder, "bin", "helper.exe")
	build := exec.Command("go", "build", "-o", helper,
		"-ldflags", "-X main.version=1.2.3 -X main.commit=0123abc -X main.date=2026-11-23T12:00:00Z", ".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	got, err := exec.Command(helper, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "oci-oidc-helper 1.2.3\ncommit 0123abc of 2026-11-23T12:00:00Z\n" +
		runtime.Version() + " " + runtime.GOOS + "-" + runtime.GOARCH + "\n"
	if string(got) != want {
		t.Errorf("version says\n%s, want\n%s", got, want)
	}

	text, err := os.ReadFile(helper)
	if err != nil {
		t.Fatal(err)
	}
	for name, npm := range map[string]string{
		"":                                    "no: the program is in no npm package",
		"another":                             "no: the program is in no npm package",
		"@opencode-oci-oidc/helper-linux-x64": "@opencode-oci-oidc/helper-linux-x64 1.2.3",
	} {
		if name != "" {
			storetest.WriteFile(t, filepath.Join(folder, "package.json"), `{"name": "`+name+`", "version": "1.2.3"}`)
		}
		got, err := exec.Command(helper, "version", "--verify").Output()
		if err != nil {
			t.Fatal(err)
		}
		said, ok := strings.CutPrefix(string(got), want)
		begin := fmt.Sprintf("program %s\nsha256  %x\nsource  ", helper, sha256.Sum256(text))
		if !ok || !strings.HasPrefix(said, begin) || !strings.Contains(said, "\nnpm     "+npm+"\n") || !strings.Contains(said, "gh attestation verify") {
			t.Errorf("in the package %q version --verify says\n%s, want\n%s … %s", name, got, begin, npm)
		}
		_ = os.Remove(filepath.Join(folder, "package.json"))
	}
}

// The workflow that version --verify names is the one that builds and attests a release.
func TestTheReleaseIsBuiltByTheWorkflowThatVersionNames(t *testing.T) {
	release, err := os.ReadFile("../../.github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(buildWorkflow, repository+"/")
	build, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	for text, wanted := range map[string][]string{
		string(release): {"uses: ./" + path},
		string(build):   {"workflow_call:", "actions/attest@", "cat dist/checksums.txt dist/programs.txt", "sha256sum -- *.tgz"},
	} {
		for _, one := range wanted {
			if !strings.Contains(text, one) {
				t.Errorf("the workflow lacks %q:\n%s", one, text)
			}
		}
	}
}
