// Package report shows measurements: as a table on the terminal as soon as they are
// there, and at the end as a page in Markdown with a plot of each table.
package report

import (
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/measure"
)

// A Section is one table.
type Section struct {
	Name  string // of its plot's file
	Title string
	About string // what was done, and what the ratio is against
	Short string // what dominates where a row falls short of what is wanted, or ""
	Rows  []Row
}

// A Row is one line of a table.
type Row struct {
	Name   string
	Value  string         // with its unit
	Ratio  measure.Sample // against the section's floor; nil where there is none
	Count  int            // of measurements; that of Ratio if 0
	Wanted string
	Note   string
}

var columns = []string{"", "median", "ratio", "p10–p90", "n", "wanted", ""}

func (r Row) cells() []string {
	ratio, spread, count := "", "", ""
	if len(r.Ratio) > 0 {
		ratio = fmt.Sprintf("%.2f", r.Ratio.Median())
		spread = fmt.Sprintf("%.2f–%.2f", r.Ratio.Quantile(0.1), r.Ratio.Quantile(0.9))
		count = fmt.Sprint(len(r.Ratio))
	}
	if r.Count > 0 {
		count = fmt.Sprint(r.Count)
	}
	return []string{r.Name, r.Value, ratio, spread, count, r.Wanted, r.Note}
}

// Print writes the section for a terminal.
func (s Section) Print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n%s\n", s.Title, s.About)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, row := range s.Rows {
		fmt.Fprintln(table, strings.Join(row.cells(), "\t"))
	}
	_ = table.Flush()
	if s.Short != "" {
		fmt.Fprintln(w, s.short())
	}
}

func (s Section) short() string { return "What dominates where it falls short: " + s.Short }

// Write writes the sections as RESULTS.md, and their plots beside it, into dir.
func Write(dir, preface string, sections []Section) error {
	var page strings.Builder
	fmt.Fprintf(&page, "# Measured\n\n%s\n", preface)
	for _, s := range sections {
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n| %s |\n|%s\n", s.Title, s.About, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
		for _, row := range s.Rows {
			fmt.Fprintf(&page, "| %s |\n", strings.Join(row.cells(), " | "))
		}
		if s.Short != "" {
			fmt.Fprintf(&page, "\n%s\n", s.short())
		}
		plot := s.plot()
		if plot == "" {
			continue
		}
		file := filepath.Join("plots", s.Name+".svg")
		fmt.Fprintf(&page, "\n![%s, as ratios](%s)\n", s.Title, filepath.ToSlash(file))
		if err := os.MkdirAll(filepath.Join(dir, "plots"), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(plot), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(page.String()), 0o644)
}

// plot draws the ratios as bars from 0, with the spread and a line at the floor;
// "" if there are none.
func (s Section) plot() string {
	const left, width, line = 330.0, 440.0, 26.0
	var rows []Row
	longest := 1.0
	for _, row := range s.Rows {
		if len(row.Ratio) > 0 {
			rows = append(rows, row)
			longest = max(longest, row.Ratio.Quantile(0.9))
		}
	}
	if len(rows) == 0 {
		return ""
	}
	x := func(ratio float64) float64 { return left + ratio/longest*width }
	height := line*float64(len(rows)) + 20
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="system-ui, sans-serif" font-size="13" role="img">`+"\n", left+width+90, height)
	fmt.Fprintf(&svg, "<title>%s</title>\n<style>text{fill:#333}.bar{fill:#4a7fb5}.spread,.floor{stroke:#777}@media(prefers-color-scheme:dark){text{fill:#ddd}.spread,.floor{stroke:#aaa}}</style>\n", html.EscapeString(s.Title))
	for i, row := range rows {
		y := 10 + line*float64(i)
		low, median, high := row.Ratio.Quantile(0.1), row.Ratio.Median(), row.Ratio.Quantile(0.9)
		fmt.Fprintf(&svg, `<text x="%.0f" y="%.1f" text-anchor="end">%s</text>`, left-8, y+17, html.EscapeString(row.Name))
		fmt.Fprintf(&svg, `<rect class="bar" x="%.0f" y="%.1f" width="%.1f" height="16"/>`, left, y+4, x(median)-left)
		fmt.Fprintf(&svg, `<line class="spread" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x(low), x(high), y+12, y+12)
		fmt.Fprintf(&svg, `<text x="%.1f" y="%.1f">%.2f</text>`+"\n", x(high)+6, y+17, median)
	}
	fmt.Fprintf(&svg, `<line class="floor" x1="%.1f" x2="%.1f" y1="6" y2="%.1f" stroke-dasharray="3 3"/>`+"\n</svg>\n", x(1), x(1), height-6)
	return svg.String()
}
