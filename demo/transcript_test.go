package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// written returns what a transcript into a file contains after tell.
func written(t *testing.T, tell func(*transcript)) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "transcript"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	tell(newTranscript(file))
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTranscriptInAFileIsPlain(t *testing.T) {
	text := written(t, func(say *transcript) {
		say.step("First", "why")
		say.command("opencode", "run", "who am I?")
		say.wait("nothing")()
		say.good("done")
	})
	if want := "\n1. First\n   why\n   $ opencode run \"who am I?\"\n   ✓ done\n"; text != want {
		t.Errorf("%q, want %q", text, want)
	}
}

func TestQuotationShowsOverwrittenLinesOnce(t *testing.T) {
	var heard []string
	text := written(t, func(say *transcript) {
		quote := say.quote(func(line string) error { heard = append(heard, line); return nil })
		for _, piece := range []string{"\x1b[91mre", "d\x1b[0m\n│\n", "◒ wait\x1b[999D\x1b[J◐ wait\x1b[999D\x1b[J◇ done\r\n", "last"} {
			if _, err := quote.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
		quote.end()
	})
	if want := "   │ red\n   │ ◇ done\n   │ last\n"; text != want {
		t.Errorf("%q, want %q", text, want)
	}
	if got := strings.Join(heard, "|"); got != "red|◇ done|last" {
		t.Errorf("heard %q", got)
	}
}

func TestQuotationContinuesAfterAnError(t *testing.T) {
	text := written(t, func(say *transcript) {
		first := errors.New("first")
		quote := say.quote(func(line string) error { return errors.Join(first, errors.New(line)) })
		if _, err := quote.Write([]byte("a\nb\n")); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(quote.err, first) || strings.Contains(quote.err.Error(), "b") {
			t.Errorf("error %v", quote.err)
		}
	})
	if !strings.HasSuffix(text, "│ b\n") {
		t.Errorf("%q", text)
	}
}
