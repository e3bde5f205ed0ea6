package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An address longer than a terminal's line is read as a whole, and mistyped characters before
// it can be deleted. Arrow keys, and the marks that some terminals put around pasted text, are
// left out.
func TestPasteALongAddress(t *testing.T) {
	t.Parallel()
	c := newComputer(t)
	c.remove("state/opencode-oci-oidc")
	ours, theirs := terminal(t)
	helper := c.helper("connect", "--flow", "paste")
	helper.Stdin, helper.Stdout, helper.Stderr = theirs, theirs, theirs
	c.check(helper.Start())
	defer time.AfterFunc(time.Minute, func() { _ = helper.Process.Kill() }).Stop()
	_ = theirs.Close()
	screen := &screen{from: ours}
	start := screen.await(t, regexp.MustCompile(`(http://\S+/authorize\?\S+)[\s\S]*whole address here: `))[1]
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(start)
	c.check(err)
	_ = answer.Body.Close()
	redirect := answer.Header.Get("Location")
	go func() { // while the screen is read
		_, _ = fmt.Fprintf(ours, "oops\x7f\x7f\x7f\x7f\x1b[D\x1bOA\x1b[1;5C\x1b[200~%s&more=%s\x1b[201~\r", redirect, strings.Repeat("x", 6_000))
	}()
	screen.await(t, regexp.MustCompile(`Signed in as `))
	after := strings.SplitN(string(screen.shown), "whole address here: ", 2)[1]
	before, after, found := strings.Cut(after, redirect) // whose code may look like a key
	if !found {
		t.Errorf("the address is not shown as it was typed: %q", before)
	}
	for _, key := range []string{"[D", "OA", "5C", "200~", "201~"} {
		if strings.Contains(before, key) || strings.Contains(after, "x"+key) || strings.Contains(after, "x["+key) {
			t.Errorf("the key %s is taken for text", key)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, ours) }()
	if err := helper.Wait(); err != nil {
		t.Error(err)
	}
	c.mustRun("token")
}

// terminal makes a terminal: our end, and the one that a program has.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no terminals to be made here: ", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// A screen is what a terminal shows.
type screen struct {
	from  *os.File
	shown []byte
}

// await reads on until the pattern is there.
func (s *screen) await(t *testing.T, pattern *regexp.Regexp) []string {
	t.Helper()
	for buffer := make([]byte, 4096); ; {
		if found := pattern.FindSubmatch(s.shown); found != nil {
			var texts []string
			for _, text := range found {
				texts = append(texts, string(text))
			}
			return texts
		}
		n, err := s.from.Read(buffer)
		s.shown = append(s.shown, buffer[:n]...)
		if err != nil {
			t.Fatalf("%v is not shown: %s", pattern, s.shown[max(0, len(s.shown)-1000):])
		}
	}
}
