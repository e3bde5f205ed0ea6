package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatFallsShortIsExplainedBelowItsTable(t *testing.T) {
	dir := t.TempDir()
	explained := Section{Title: "Starts", Short: "the disk.", Rows: []Row{{Name: "ours", Value: "2 ms", Wanted: "≤ 1 ms"}}}
	bare := Section{Title: "Ends", Rows: []Row{{Name: "ours", Value: "1 ms"}}}
	if err := Write(dir, "", []Section{explained, bare}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	const below = "| ≤ 1 ms |  |\n\nWhat dominates where it falls short: the disk.\n\n## Ends"
	if !strings.Contains(string(page), below) || strings.Count(string(page), "dominates") != 1 {
		t.Errorf("%s", page)
	}
}
