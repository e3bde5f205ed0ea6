package logging

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLast: Last returns the attributes as they were logged.
func TestLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	hostile := []string{
		"plain", "", "two words", `a "quoted" one`, "a=b msg=other", "two\nlines", "back\\slash", "`", "ünï\u2060code\x1b[2J", `"`, strings.Repeat("long ", 1000),
	}
	log := Open(path)
	defer log.Close()
	for _, text := range hostile {
		log.Warn("wanted", "before", 7, slog.Group("problem", "message", text, "hint", text))
		log.Warn("other", "problem.message", "wrong")
		got := Last(path, func(record map[string]string) bool { return record["msg"] == "wanted" })
		if got["problem.message"] != text || got["problem.hint"] != text || got["before"] != "7" || got["time"] == "" {
			t.Errorf("%q came back as %q", text, got)
		}
	}
	if got := Last(path, func(record map[string]string) bool { return record["msg"] == "none" }); got != nil {
		t.Errorf("a record that there is not: %v", got)
	}
	if got := Last(path+".none", func(map[string]string) bool { return true }); got != nil {
		t.Errorf("without a log: %v", got)
	}
	if err := os.WriteFile(path, []byte("=\n\n\"\nmsg\n msg=wanted problem.message=\"cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Last(path, func(record map[string]string) bool { return record["msg"] == "wanted" }); got == nil {
		t.Error("a damaged log is not passed over")
	}
}
