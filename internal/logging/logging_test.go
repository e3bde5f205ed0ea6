package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

func TestLogLevels(t *testing.T) {
	records := []string{"", "ERROR", "WARN", "INFO", "DEBUG", "VERBOSE"}
	for i, name := range Levels {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "plugin.log")
			log := Open(path)
			level, ok := ParseLevel(strings.ToLower(name))
			if !ok {
				t.Fatalf("%s is not a level", name)
			}
			log.Configure(level, path, false)
			defer log.Close()
			for _, record := range records[1:] {
				at, _ := ParseLevel(record)
				log.Log(context.Background(), at, "a record at "+record)
			}
			got := read(t, path)
			for j, record := range records[1:] {
				if shown, want := strings.Contains(got, "a record at "+record), j+1 <= i; shown != want {
					t.Errorf("record at %s shown: %v, want %v", record, shown, want)
				}
			}
			if name == "VERBOSE" && !strings.Contains(got, "level=VERBOSE") {
				t.Errorf("the level's name is missing in %q", got)
			}
		})
	}
	if _, ok := ParseLevel("LOUD"); ok {
		t.Error("LOUD is a level")
	}
}

func TestLogFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	path := filepath.Join(t.TempDir(), "new", "plugin.log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("left by the published plugin\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	log := Open(path)
	log.Info("hello")
	log.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %o", mode)
	}
	if got := read(t, path); !strings.HasPrefix(got, "left by") || !strings.Contains(got, "hello") {
		t.Errorf("the log holds %q", got)
	}
}

func TestConfigureMovesTheLog(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "first.log"), filepath.Join(t.TempDir(), "second.log")
	log := Open(first)
	log.Info("before the configuration")
	log.Configure(slog.LevelDebug, second, false)
	log.Debug("after it")
	log.Close()
	if got := read(t, first); !strings.Contains(got, "before the configuration") || strings.Contains(got, "after it") {
		t.Errorf("first file: %q", got)
	}
	if got := read(t, second); !strings.Contains(got, "after it") {
		t.Errorf("second file: %q", got)
	}
}

func TestUnwritableLogIsIgnored(t *testing.T) {
	dir := t.TempDir()
	log := Open(filepath.Join(dir, "file", "plugin.log"))
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log.Info("nowhere to go")
	log.Close()
}

// TestRotation: two processes write to one log. After it is rotated, both write to the new file.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugin.log")
	first, second := Open(path), Open(path)
	defer first.Close()
	defer second.Close()
	second.Info("hello")
	for range maxBackups + 2 {
		if err := os.Truncate(path, maxSize-10); err != nil {
			t.Fatal(err)
		}
		first.Info("from the first")
		second.Info("from the second")
	}
	got := read(t, path)
	if strings.Count(got, "\n") != 2 || !strings.Contains(got, "from the first") || !strings.Contains(got, "from the second") {
		t.Errorf("the log holds %q", got)
	}
	logs, err := filepath.Glob(path + "*")
	if err != nil || len(logs) != 1+maxBackups {
		t.Errorf("%q, %v", logs, err)
	}
}

// TestLogThatCannotBeRotated: if the log cannot be rotated, it continues to grow, and is not
// reopened for each line.
func TestLogThatCannotBeRotated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugin.log")
	log := Open(path)
	defer log.Close()
	for n := range maxBackups { // directories that hold something are not replaced
		if err := os.MkdirAll(filepath.Join(path+"."+strconv.Itoa(n+1), "in the way"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, make([]byte, maxSize), 0o600); err != nil {
		t.Fatal(err)
	}
	log.Info("one")
	opened := log.file.out
	log.Info("two")
	if text := read(t, path); !strings.Contains(text, "one") || !strings.Contains(text, "two") {
		t.Error("lines are lost")
	}
	if log.file.out != opened {
		t.Error("the file was opened anew")
	}
}

func TestErasedLogIsCreatedAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody erase a file that is open")
	}
	path := filepath.Join(t.TempDir(), "plugin.log")
	log := Open(path)
	defer log.Close()
	log.Info("one")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	log.Info("two")
	if got := read(t, path); !strings.Contains(got, "two") {
		t.Errorf("the log holds %q", got)
	}
}

func TestSecretsAreNotLogged(t *testing.T) {
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl"
	var terminal bytes.Buffer
	path := filepath.Join(t.TempDir(), "plugin.log")
	log := Open(path)
	log.Configure(LevelVerbose, path, false)
	logger := log.AlsoTo(&terminal, LevelVerbose, true)
	logger.Info("by type", "value", secret.New("hunter2"))
	logger.Info("by name", "refresh_token", "hunter2", slog.Group("form", "client_secret", "hunter2"))
	logger.Info("by shape", "err", errors.New("Bearer hunter2hunter2"), "url", "http://localhost/cb?code=hunter2&state=hunter2")
	logger.Info("in the message " + jwt + " and AQIDBAhunter2+/= too")
	log.Close()

	for name, text := range map[string]string{"file": read(t, path), "terminal": terminal.String()} {
		if strings.Count(text, redacted) < 6 {
			t.Errorf("%s: too little is redacted in %s", name, text)
		}
		for _, leak := range []string{"hunter2", jwt, "c2lnbmF0dXJl"} {
			if strings.Contains(text, leak) {
				t.Errorf("%s: %q leaked in %s", name, leak, text)
			}
		}
	}
}

// TestKnownSecretsAreNotLogged: a registered secret is redacted even if its type, name and form do
// not show that it is one, and if it was registered after the logger was created.
func TestKnownSecretsAreNotLogged(t *testing.T) {
	var terminal bytes.Buffer
	path := filepath.Join(t.TempDir(), "plugin.log")
	log := Open(path)
	log.Configure(LevelVerbose, path, false)
	logger := log.AlsoTo(&terminal, LevelVerbose, true).With("from", "here")
	logger.Info("before there are any")
	const short, long = "Tr0ub4d&r", "5f0d8a64-93c1-4be7-a2f0-6c1d7e8b9a03"
	for _, one := range []string{short, long} {
		secret.New(one)
		logger.Error("it is " + one + ".")
		logger.Debug("x", "err", fmt.Errorf("malformed answer %q", one), slog.Group("g", "said", "a "+one+" b"))
		logger.Debug("x", "url", "https://example.com/?x="+url.QueryEscape(one))
	}
	logger.Info("a part of it: " + long[:20])
	log.Close()
	for name, text := range map[string]string{"file": read(t, path), "terminal": terminal.String()} {
		if strings.Contains(text, "Tr0ub4d") || strings.Contains(text, long[:16]) || strings.Count(text, redacted) != 9 {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// TestBoundLogFollowsNoLink: if a bound log, or a directory above it, is replaced by a
// symbolic link, nothing is written or rotated through the link, even while the log is open.
func TestBoundLogFollowsNoLink(t *testing.T) {
	for _, link := range []string{"logs/plugin.log", "logs"} {
		outside := t.TempDir()
		project, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(project, "logs", "plugin.log")
		victim := filepath.Join(outside, "plugin.log")
		before := strings.Repeat("x", maxSize)
		if err := os.WriteFile(victim, []byte(before), 0o644); err != nil {
			t.Fatal(err)
		}
		log := Open(path)
		log.Configure(slog.LevelInfo, path, true)
		defer log.Close()
		log.Info("one")
		if got := read(t, path); !strings.Contains(got, "one") {
			t.Errorf("the log holds %q", got)
		}
		if runtime.GOOS == "windows" { // moves nothing that is open
			log.Close()
		}
		at := filepath.Join(project, filepath.FromSlash(link))
		if err := os.Rename(at, at+".away"); err != nil {
			t.Fatal(err)
		}
		to := map[bool]string{true: outside, false: victim}[link == "logs"]
		if err := os.Symlink(to, at); err != nil {
			t.Skip("links cannot be made here:", err)
		}
		log.Info("two")
		entries, err := os.ReadDir(outside)
		if err != nil || len(entries) != 1 || read(t, victim) != before {
			t.Errorf("%s is a link: written outside: %v, %v", link, entries, err)
		}
	}
}

// If log_file is a directory or a device, it is not changed.
func TestDirectoryOrDeviceIsNotChanged(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o640); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, ""} {
		l := Open(path)
		l.Info("something")
		l.Close()
	}
	after, err := os.Stat(dir)
	if err != nil || after.Mode() != before.Mode() {
		t.Errorf("the directory is %v now: %v", after, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(dir)); len(entries) != 1 {
		t.Errorf("beside it is %v", entries)
	}
	if _, err := os.Stat(filepath.Join(dir, "mine")); err != nil {
		t.Error(err)
	}
}
