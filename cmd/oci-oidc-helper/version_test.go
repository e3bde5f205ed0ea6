package main

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// What a release's build stamps, version says.
func TestVersionIsStamped(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go to build it with:", err)
	}
	helper := filepath.Join(t.TempDir(), "helper.exe")
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
}
