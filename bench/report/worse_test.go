package report

import (
	"os"
	"slices"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/measure"
)

func TestWorse(t *testing.T) {
	measured := func(about, wanted string, ratios ...float64) []Section {
		return []Section{{Name: "x", Title: "A title", About: about, Rows: []Row{
			{Name: "floor", Value: "1 ms", Ratio: measure.Sample{1, 1, 1}},
			{Name: "ours", Value: "2 ms", Ratio: ratios, Wanted: wanted},
		}}}
	}
	dir := t.TempDir()
	if err := Write(dir, "Written in a test.", measured("About.", "≤ 2", 1.4, 1.5, 1.6)); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(dir + "/RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		sections []Section
		want     []string
	}{
		"the same":          {measured("About.", "≤ 2", 1.4, 1.5, 1.6), nil},
		"within the noise":  {measured("About.", "≤ 2", 1.5, 1.7, 1.9), nil},
		"better":            {measured("About.", "≤ 2", 1, 1, 1), nil},
		"worse":             {measured("About.", "≤ 2", 1.7, 1.8, 1.9), []string{"A title: ours: 1.80, before 1.50"}},
		"a peer":            {measured("About.", "≥ 15 × ours", 1.7, 1.8, 1.9), nil},
		"without a limit":   {measured("About.", "", 1.7, 1.8, 1.9), nil},
		"against something": {measured("Another floor.", "≤ 2", 1.7, 1.8, 1.9), nil},
	} {
		if got := Worse(string(page), test.sections); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
