package disk

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
)

func TestDecodeText(t *testing.T) {
	const text = "idcs-s€cret 𝄞\r\n"
	for name, content := range map[string]string{
		"UTF-8":                text,
		"UTF-8 with a mark":    "\ufeff" + text,
		"UTF-16 little endian": string(disktest.UTF16(text, binary.LittleEndian)),
		"UTF-16 big endian":    string(disktest.UTF16(text, binary.BigEndian)),
	} {
		if got, err := DecodeText([]byte(content)); err != nil || string(got) != text {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, content := range map[string]string{
		"UTF-16 without a mark": string(disktest.UTF16(text, binary.LittleEndian)[2:]),
		"zeros":                 "a\x00b",
	} {
		if got, err := DecodeText([]byte(content)); err == nil {
			t.Errorf("%s is accepted: %q", name, got)
		}
	}
	if got, err := DecodeText(nil); err != nil || len(got) != 0 {
		t.Errorf("nothing: %q, %v", got, err)
	}
}

func TestRenameReplaces(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for path, text := range map[string]string{from: "new", to: "old"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The file may be open for reading and for appending. Wine does not replace a file
	// that is open.
	if os.Getenv("WINE_RUNS_THIS") == "" {
		reader, err := Open(to, os.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		writer, err := Open(to, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
	}
	if err := Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(to); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	if err := MoveAside(to, from); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("what was moved aside is still there")
	}
	if err := Remove(from); err != nil {
		t.Error(err)
	}
}

func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for _, line := range []string{"one\n", "two\n"} {
		file, err := Open(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(line); err != nil {
			t.Error(err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOverNetwork(t *testing.T) {
	for path, want := range map[string]bool{
		`\\host\share\ca.pem`:            true,
		`//host/share/ca.pem`:            true,
		`\/host/share`:                   true,
		`/\host\share`:                   true,
		`\\host@SSL\DavWWWRoot\ca.pem`:   true,
		`\\host@8080\share`:              true,
		`\\?\UNC\host\share`:             true,
		`//?/UNC/host/share`:             true,
		`\\.\UNC\host\share`:             true,
		`\\?\C:\ca.pem`:                  true,
		`\\.\pipe\name`:                  true,
		`\??\UNC\host\share`:             true,
		`/??/UNC/host/share`:             true,
		`\\?\GLOBALROOT\Device\Mup\host`: true,
		`C:\Users\me\ca.pem`:             false,
		`C:/Users/me/ca.pem`:             false,
		`\Users\me\ca.pem`:               false,
		`ca.pem`:                         false,
		`..\host\share`:                  false,
		``:                               false,
	} {
		if overNetwork(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
