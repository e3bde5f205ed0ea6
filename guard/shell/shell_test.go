package shell

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func noVariable(string) (string, bool) { return "", false }

// TestJudgingHasALimit: a text whose commands take long to judge is denied as too long.
func TestJudgingHasALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := Reader{
			Lookup: noVariable,
			Judge:  func(Command) string { time.Sleep(time.Second); return "" },
		}.POSIX(strings.Repeat("ls; ", 1000))
		if !errors.Is(err, errTooLong) || time.Since(began) > 2*maxTime {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestDeepDirectoryIsUnknown: a working directory does not get longer without an end.
func TestDeepDirectoryIsUnknown(t *testing.T) {
	var last Command
	_, err := Reader{
		Lookup:   noVariable,
		Absolute: func(name, directory string) string { return directory + "/" + name },
		Judge:    func(c Command) string { last = c; return "" },
	}.POSIX(strings.Repeat("cd directory; ", 500) + "cat x")
	if err != nil || len(last.Directory) > maxDirectory || !slices.Contains(last.Elsewhere, Unknown) {
		t.Errorf("%v: %q, %q", err, last.Directory, last.Elsewhere)
	}
}
