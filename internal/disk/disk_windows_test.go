package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/windows"
)

// hold opens the file at path with a sharing mode, like another program, and returns a function
// that closes it.
func hold(t *testing.T, path string, sharing uint32) (release func()) {
	t.Helper()
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	handle, err := windows.CreateFile(name, windows.GENERIC_READ, sharing, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := windows.CloseHandle(handle); err != nil {
			t.Error(err)
		}
	}
}

// TestFileThatAnotherProgramHoldsIsAwaited: operations wait until another program closes the file,
// and fail if it does not.
func TestFileThatAnotherProgramHoldsIsAwaited(t *testing.T) {
	for name, do := range map[string]func(path, other string) error{
		"read": func(path, _ string) error {
			return Patiently(ReadPatience, func() error {
				file, err := Open(path, os.O_RDONLY, 0)
				if err == nil {
					err = file.Close()
				}
				return err
			})
		},
		"replace": func(path, other string) error { return Rename(other, path) },
		"erase":   func(path, _ string) error { return Remove(path) },
	} {
		sharing, held := uint32(windows.FILE_SHARE_READ), 4*time.Second
		if name == "read" {
			sharing, held = 0, time.Second
		}
		for _, forGood := range []bool{false, true} {
			dir := t.TempDir()
			path, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
			for _, path := range []string{path, other} {
				if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Test(t, func(t *testing.T) {
				release := hold(t, path, sharing)
				if forGood {
					defer release()
				} else {
					time.AfterFunc(held, release)
				}
				err := do(path, other)
				if forGood && !errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) || !forGood && err != nil {
					t.Errorf("%s, held for good %v: %v", name, forGood, err)
				}
				time.Sleep(time.Minute) // the timer's
			})
		}
	}
}

func TestReadOnlyFilesAreReplacedAndErased(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	for _, path := range []string{path, other} {
		if err := os.WriteFile(path, []byte(path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := Rename(other, path); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != other {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
