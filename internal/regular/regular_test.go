package regular

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	text := strings.Repeat("x", 1000)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path, 1000); err != nil || string(got) != text {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	disktest.Link(t, path, filepath.Join(dir, "link"))
	if got, err := Read(filepath.Join(dir, "link"), 1000); err != nil || string(got) != text {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "lost")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"file": "is larger than 999 bytes", "link": "is larger than 999 bytes", "lost": "is a link to what does not exist",
		".": "is a directory, not a file", "none": "does not exist", "none/below": "does not exist", os.DevNull: "is a device, not a file",
	} {
		if !filepath.IsAbs(name) && name != os.DevNull {
			name = filepath.Join(dir, name)
		}
		got, err := Read(name, 999)
		if err == nil || Why(err) != want || got != nil {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		if errors.Is(err, fs.ErrNotExist) != (want == "does not exist") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Read never returns a mixture of two versions of a file.
func TestFileReplacedWhileItIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write := func(letter string) {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			t.Error(err)
			return
		}
		for range 64 { // in pieces, as a shell's redirect does
			if _, err := file.WriteString(strings.Repeat(letter, 1024)); err != nil {
				t.Error(err)
			}
		}
		_ = file.Close()
	}
	write("a")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				write(string(rune('a' + i%2)))
			}
		}
	}()
	reads := 500
	if runtime.GOOS == "windows" { // each waits for the writer
		reads = 50
	}
	for range reads {
		text, err := Read(path, 1<<20)
		if err != nil {
			continue // "it is being written all the time"
		}
		if first := text[:min(1, len(text))]; len(text) > 0 && strings.Trim(string(text), string(first)) != "" {
			t.Error("halves of two versions were read as one")
			break
		}
	}
	close(stop)
	<-stopped
}
