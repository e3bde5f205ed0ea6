//go:build !windows

package regular

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Only regular files are opened, so opening never blocks.
func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	make := func(name string, f func(string) error) string {
		path := filepath.Join(dir, name)
		if err := f(path); err != nil {
			t.Skip(name, "cannot be made here:", err)
		}
		return path
	}
	pipe := make("pipe", func(path string) error { return syscall.Mkfifo(path, 0o644) })
	socket := make("s", func(path string) error {
		listener, err := net.Listen("unix", path)
		if err == nil {
			t.Cleanup(func() { _ = listener.Close() })
		}
		return err
	})
	link := make("link", func(path string) error { return os.Symlink(pipe, path) })
	for path, want := range map[string]string{
		pipe: "is a named pipe, not a file", link: "is a named pipe, not a file",
		socket: "is a socket, not a file", "/dev/zero": "is a device, not a file",
	} {
		for _, flag := range []int{os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREATE} {
			before, _ := os.Stat(path)
			if _, err := OpenFile(path, flag, 0o600); err == nil || Why(err) != want {
				t.Errorf("%s: %v, want %s", path, err, want)
			}
			if after, err := os.Stat(path); err != nil || after.Mode() != before.Mode() {
				t.Errorf("%s is changed: %v", path, err)
			}
		}
	}
	closed := filepath.Join(dir, "closed")
	if err := os.WriteFile(closed, nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(closed, 10); os.Geteuid() != 0 && (err == nil || Why(err) != "cannot be read: permission denied") {
		t.Errorf("%v", err)
	}
}

// A file that calls itself regular may block all the same, such as /proc/kmsg. A pipe stands
// for it here, because reading that one changes it.
func TestAFileThatBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|NonBlock, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, _, err := readFile(path, file, 10); err == nil || Why(err) != "cannot be read: i/o timeout" {
		t.Errorf("%v", err)
	}
}
