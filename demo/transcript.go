package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The colours of a transcript, as terminals name them.
const (
	bold  = "1"
	dim   = "2"
	red   = "1;31"
	green = "32"
	cyan  = "36"
)

// A transcript prints what happens, step by step. On a terminal it shows while it waits,
// and it uses colours unless NO_COLOR is set.
type transcript struct {
	terminal bool
	colour   bool
	steps    int

	mu      sync.Mutex
	out     io.Writer
	waiting bool // the last line tells what is waited for, and goes away
}

func newTranscript(out *os.File) *transcript {
	terminal := isTerminal(out) && os.Getenv("TERM") != "dumb"
	return &transcript{out: out, terminal: terminal, colour: terminal && os.Getenv("NO_COLOR") == ""}
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// title heads the transcript, or ends it.
func (t *transcript) title(title, text string) {
	t.print("\n" + t.paint(bold, title) + "\n" + text)
}

// step begins a new step; why tells what it is for.
func (t *transcript) step(title, why string) {
	t.steps++
	t.print(fmt.Sprintf("\n%s\n   %s", t.paint(bold, fmt.Sprintf("%d. %s", t.steps, title)), t.paint(dim, why)))
}

// command shows what a person would type.
func (t *transcript) command(name string, args ...string) {
	line := name
	for _, arg := range args {
		if strings.ContainsAny(arg, " ?") {
			arg = `"` + arg + `"`
		}
		line += " " + arg
	}
	t.print("   " + t.paint(cyan, "$ "+line))
}

// fact shows a value by its name.
func (t *transcript) fact(name, value string) { t.print(fmt.Sprintf("   %-16s %s", name, value)) }

// seen shows a request that came in somewhere.
func (t *transcript) seen(where, request string) {
	t.print("   " + t.paint(dim, strings.TrimRight(fmt.Sprintf("→ %-9s %s", where, request), " ")))
}

// remark tells what a person does.
func (t *transcript) remark(text string) { t.print("   " + t.paint(cyan, "☞ "+text)) }

// good tells what has been checked and found right.
func (t *transcript) good(text string) { t.print("   " + t.paint(green, "✓ "+text)) }

// failed tells what went wrong.
func (t *transcript) failed(text string) { t.print("\n" + t.paint(red, "✗ "+text)) }

func (t *transcript) paint(colour, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// print prints a line, in place of the one that tells of waiting.
func (t *transcript) print(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	_, _ = fmt.Fprintln(t.out, line)
}

// clear takes the line of waiting away. t.mu is held.
func (t *transcript) clear() {
	if t.waiting {
		_, _ = io.WriteString(t.out, "\r\x1b[K")
		t.waiting = false
	}
}

// wait shows what is waited for, until done is called: on a terminal in a line that
// goes away, elsewhere in a line now and then when it takes long.
func (t *transcript) wait(what string) (done func()) {
	started, stop, stopped := time.Now(), make(chan struct{}), make(chan struct{})
	every := 5 * time.Second
	if t.terminal {
		every = 100 * time.Millisecond
	}
	go func() {
		defer close(stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				t.stillWaiting(what, time.Since(started))
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		t.mu.Lock()
		defer t.mu.Unlock()
		t.clear()
	}
}

func (t *transcript) stillWaiting(what string, since time.Duration) {
	line := fmt.Sprintf("   … %s (%d s)", what, int(since.Seconds()))
	if !t.terminal {
		t.print(line)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.out, "\r"+t.paint(dim, line)+"\x1b[K")
	t.waiting = true
}

// A quotation shows what a program prints, line by line.
type quotation struct {
	say  *transcript
	hear func(line string) error // also gets the lines; may be nil
	rest []byte                  // of a line that has not ended
	err  error                   // the first one of hear
}

func (t *transcript) quote(hear func(string) error) *quotation { return &quotation{say: t, hear: hear} }

func (q *quotation) Write(text []byte) (int, error) {
	q.rest = append(q.rest, text...)
	for {
		line, rest, whole := strings.Cut(string(q.rest), "\n")
		if !whole {
			return len(text), nil
		}
		q.line(line)
		q.rest = []byte(rest)
	}
}

// end shows a last line that does not end by itself.
func (q *quotation) end() {
	if len(q.rest) > 0 {
		q.line(string(q.rest))
		q.rest = nil
	}
}

func (q *quotation) line(line string) {
	line = strings.TrimRight(plain(line), " \r")
	if strings.Trim(line, "│ ") == "" {
		return
	}
	q.say.print("   " + q.say.paint(dim, "│") + " " + line)
	if q.hear != nil && q.err == nil {
		q.err = q.hear(line)
	}
}

// plain returns a line as a terminal shows it in the end: without colours, and without text
// that was cleared and overwritten.
func plain(line string) string {
	return escapes.ReplaceAllString(cleared.ReplaceAllString(line, ""), "")
}

var (
	cleared = regexp.MustCompile("(?m)^.*\x1b\\[[0-9]+D\x1b\\[J")
	escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")
)
