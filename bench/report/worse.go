package report

import (
	"fmt"
	"strings"
)

// Worse names the rows with a limit whose ratio is higher than in an earlier page by more
// than the noise of both runs: nine tenths of the new values are above nine tenths of the
// old ones. Sections that are measured in another way than before are left out.
func Worse(earlier string, sections []Section) (rows []string) {
	before := map[string]string{} // the columns ratio and p10–p90, by section and row
	for block := range strings.SplitSeq(earlier, "\n## ") {
		title, rest, _ := strings.Cut(block, "\n\n")
		about, table, _ := strings.Cut(rest, "\n\n")
		place := title + "\n" + about + "\n"
		for line := range strings.Lines(table) {
			if cells := strings.Split(line, " | "); len(cells) == len(columns) {
				before[place+strings.TrimPrefix(cells[0], "| ")] = cells[2] + " " + cells[3]
			}
		}
	}
	for _, section := range sections {
		for _, row := range section.Rows {
			var median, low, high float64
			was := before[section.Title+"\n"+section.About+"\n"+row.Name]
			if _, err := fmt.Sscanf(was, "%f %f–%f", &median, &low, &high); err != nil || row.Wanted == "" || len(row.Ratio) == 0 {
				continue
			}
			if strings.HasPrefix(row.Wanted, "≥") || row.Ratio.Quantile(0.1) <= high {
				continue
			}
			rows = append(rows, fmt.Sprintf("%s: %s: %.2f, before %.2f", section.Title, row.Name, row.Ratio.Median(), median))
		}
	}
	return rows
}
