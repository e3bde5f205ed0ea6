package guard

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"
)

// A file has a second name of at most 8 and 3 characters where the volume makes those.
func TestGuardOfShortNames(t *testing.T) {
	p, project := guarded(t)
	g := New(p, project)
	for _, path := range []string{filepath.Join(p.Home, ".secrets", "other"), filepath.Join(p.StateDir, "a.json"), filepath.Join(p.Home, "elsewhere", "oci.txt")} {
		long, _ := windows.UTF16PtrFromString(path)
		short := make([]uint16, 1000)
		if _, err := windows.GetShortPathName(long, &short[0], uint32(len(short))); err != nil {
			t.Fatal(err)
		}
		name := windows.UTF16ToString(short)
		if name == path {
			t.Skip("this volume makes no short names")
		}
		t.Log(name)
		if deny(g, "bash", toolArgs{Command: "type " + name}) == "" || deny(g, "read", toolArgs{FilePath: name}) == "" {
			t.Errorf("let through: %s", name)
		}
	}
}
