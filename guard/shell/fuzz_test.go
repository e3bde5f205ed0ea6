package shell

import (
	"strings"
	"testing"
)

// Each reader ends for every text, and stops at the first reason to deny: a command's, or that
// a made text cannot be judged. No command that is judged contains a byte that a shell could
// not pass on.
func FuzzReader(f *testing.F) {
	for _, text := range []string{
		"cat a", "f() { f; }; f", "eval \"eval 'cat $x'\"", "cat <<<a; cat <(b); echo $((1+2))", "a=(b c); ${a[@]}", "alias x=y; x",
		"{a,b}{c,d}{e,f}{g,h}", "xargs -I {} cat {}", "if ($x) { gc $env:USERPROFILE\\a }", "for /f %i in (a) do type %i", "type \"%A%\" & b ^| c", "((((", made, "\x00\x1a",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		judged, stopped := 0, false
		reader := Reader{
			Lookup:   func(name string) (string, bool) { return "value", name == "x" },
			Absolute: func(name, directory string) string { return directory + "/" + name },
			Home:     "/home/me", Directory: "/work",
			Judge: func(c Command) string {
				judged++
				for _, word := range c.Words {
					if strings.Contains(word, "\x00") && !strings.Contains(text, "\x00") {
						t.Errorf("%q has the word %q", text, word)
					}
				}
				if stopped {
					t.Errorf("%q: a command after the first reason is judged", text)
				}
				if len(c.Words) > 0 && c.Words[0] == "cat" {
					stopped = true
					return "cat is denied"
				}
				return ""
			},
			Stop:   func() string { return "" },
			Nested: func(string, string, []string) string { return "" },
		}
		reason, err := reader.POSIX(text)
		if (reason != "") != stopped && err == nil && !strings.Contains(reason, "cannot judge") {
			t.Errorf("%q: a command was denied: %v, and the reason is %q", text, stopped, reason)
		}
		if judged > maxCommands {
			t.Errorf("%d commands of %q are judged", judged, text)
		}
		for _, cmd := range []bool{false, true} {
			stopped = false
			if reason := reader.Windows(text, cmd); (reason != "") != stopped && reason != cannotJudgeText {
				t.Errorf("%q for Windows: a command was denied: %v, and the reason is %q", text, stopped, reason)
			}
		}
	})
}
