package e2e

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// start runs OpenCode.
func (c *computer) start(args ...string) *run {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), cmp.Or(c.limit, runLimit))
	r := &run{t: c.t, args: args, end: cancel, opened: filepath.Join(c.Dir, "opened-"+rand.Text()), ended: make(chan struct{})}
	command := c.Command(ctx, args...)
	command.Env = append(command.Env, "OPENED="+r.opened)
	command.Stdout, command.Stderr = io.MultiWriter(&r.stdout, &r.all), &r.all
	if err := command.Start(); err != nil {
		cancel()
		c.t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		defer cancel()
		r.err = command.Wait()
		if ctx.Err() != nil {
			r.err = fmt.Errorf("%w after %v", ctx.Err(), cmp.Or(c.limit, runLimit))
		}
	}()
	c.t.Cleanup(func() { cancel(); <-r.ended })
	return r
}

// A run is one run of OpenCode.
type run struct {
	t      *testing.T
	args   []string
	end    context.CancelFunc // kills it
	opened string             // the browser's notes, an address a line
	stdout text
	all    text // stdout and stderr
	ended  chan struct{}
	err    error // once ended is closed
}

// output is everything that the run has printed so far, for failures.
func (r *run) output() string {
	return fmt.Sprintf("--- opencode %s\n%s---", strings.Join(r.args, " "), plain(r.all.String()))
}

// ends waits for the end and returns the run's error.
func (r *run) ends() error {
	<-r.ended
	return r.err
}

// says fails the test if the run has not printed all of wanted by its end.
func (r *run) says(wanted ...string) {
	r.t.Helper()
	_ = r.ends()
	for _, want := range wanted {
		if !strings.Contains(plain(r.all.String()), want) {
			r.t.Errorf("OpenCode (%v) does not say %q\n%s", r.err, want, r.output())
		}
	}
}

// saysNot fails the test if the run has printed one of unwanted.
func (r *run) saysNot(unwanted ...string) {
	r.t.Helper()
	_ = r.ends()
	for _, bad := range unwanted {
		if strings.Contains(plain(r.all.String()), bad) {
			r.t.Errorf("OpenCode says %q\n%s", bad, r.output())
		}
	}
}

// answers fails the test unless the run ended well with nothing but that answer
// for the person to read.
func (r *run) answers(want string) {
	r.t.Helper()
	if err := r.ends(); err != nil {
		r.t.Errorf("OpenCode: %v\n%s", err, r.output())
	} else if got := strings.TrimSpace(plain(r.stdout.String())); got != want {
		r.t.Errorf("OpenCode answers %q, want %q\n%s", got, want, r.output())
	}
}

// opens waits until a browser was to be opened and returns the address.
func (r *run) opens() (url string) {
	r.t.Helper()
	r.await("a browser", func() bool {
		notes, _ := os.ReadFile(r.opened)
		first, _, whole := strings.Cut(string(notes), "\n")
		url = first
		return whole
	})
	return url
}

// showsCode waits until a person can read an address and a code.
func (r *run) showsCode() (url, code string) {
	r.t.Helper()
	shown := regexp.MustCompile(`(?s)(http://\S+).*Code: (\S+)`)
	r.await("a code", func() bool {
		found := shown.FindStringSubmatch(plain(r.all.String()))
		if found == nil {
			return false
		}
		url, code = found[1], found[2]
		return true
	})
	return url, code
}

// await polls until there is what the run is to bring about.
func (r *run) await(what string, there func() bool) {
	r.t.Helper()
	for !there() {
		select {
		case <-r.ended:
			if there() {
				return
			}
			r.t.Fatalf("OpenCode ended (%v) without %s\n%s", r.err, what, r.output())
		case <-time.After(pollEvery):
		}
	}
}

// eventually repeats try until it succeeds: the machine may be busy.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.Now().Add(runLimit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Error(err)
			return
		}
		time.Sleep(pollEvery)
	}
}

// plain is text without the escapes that colour a terminal.
func plain(text string) string { return escapes.ReplaceAllString(text, "") }

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// text collects what a process prints while others read it.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
