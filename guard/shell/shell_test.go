package shell

import (
	"slices"
	"strings"
	"testing"
)

func noVariable(string) (string, bool) { return "", false }

// TestReadersStop: every reader asks before each command whether it has to stop.
func TestReadersStop(t *testing.T) {
	judged := 0
	reader := Reader{
		Lookup: noVariable,
		Judge:  func(Command) string { judged++; return "" },
		Stop: func() string {
			if judged == 3 {
				return "stop"
			}
			return ""
		},
	}
	for name, read := range map[string]func(text string) string{
		"POSIX":      func(text string) string { reason, _ := reader.POSIX(text); return reason },
		"PowerShell": func(text string) string { return reader.Windows(text, false) },
		"cmd":        func(text string) string { return reader.Windows(text, true) },
	} {
		if judged = 0; read(strings.Repeat("ls\n", 1000)) != "stop" || judged != 3 {
			t.Errorf("%s: %d commands are judged", name, judged)
		}
	}
}

// TestDeepDirectoryIsUnknown: a working directory does not get longer without an end.
func TestDeepDirectoryIsUnknown(t *testing.T) {
	var last Command
	_, err := Reader{
		Lookup:   noVariable,
		Stop:     func() string { return "" },
		Absolute: func(name, directory string) string { return directory + "/" + name },
		Judge:    func(c Command) string { last = c; return "" },
	}.POSIX(strings.Repeat("cd directory; ", 500) + "cat x")
	if err != nil || len(last.Directory) > maxDirectory || !slices.Contains(last.Elsewhere, Unknown) {
		t.Errorf("%v: %q, %q", err, last.Directory, last.Elsewhere)
	}
}
