package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// A stopped request is one that the domain does not answer, or answers only in part.
type stopped struct {
	op      domaintest.Operation
	form    string // a value that it holds; "" for any
	half    bool
	once    sync.Once
	reached chan struct{}
	goOn    chan struct{}
}

func (s *stopped) tamper(op domaintest.Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
	if op != s.op || s.form != "" && r.FormValue("grant_type") != s.form && r.FormValue("refresh_token") != s.form {
		honest(w, r)
		return
	}
	hold := func() {
		s.once.Do(func() { close(s.reached) })
		select {
		case <-s.goOn:
		case <-r.Context().Done():
		}
	}
	if !s.half {
		hold()
		honest(w, r)
		return
	}
	answer := httptest.NewRecorder()
	honest(answer, r)
	text := answer.Body.Bytes()
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(text[:len(text)-1])
	_ = http.NewResponseController(w).Flush()
	hold()
	_, _ = w.Write(text[len(text)-1:])
}

// A process is a running helper.
type process struct {
	*exec.Cmd
	c              *computer
	stdin          io.WriteCloser
	stdout, stderr *listened
	done           chan struct{}
}

// begin starts a helper. With --stdio it is asked for a token.
func (c *computer) begin(args ...string) *process {
	c.Helper()
	return c.beginAs(slices.Concat(c.wrap, []string{filepath.Join(helperDir(c.T), "oci-oidc-helper")}, args)...)
}

func (c *computer) beginAs(words ...string) *process {
	c.Helper()
	p := c.prepare(words...)
	p.start()
	return p
}

func (c *computer) prepare(words ...string) *process {
	c.Helper()
	p := &process{Cmd: c.helper(), c: c, stdout: &listened{}, stderr: &listened{}, done: make(chan struct{})}
	path, err := exec.LookPath(words[0])
	c.check(err)
	p.Path, p.Args = path, words
	p.Stdout, p.Stderr = p.stdout, p.stderr
	p.stdin, err = p.StdinPipe()
	c.check(err)
	return p
}

func (p *process) start() {
	p.c.Helper()
	p.c.check(p.Start())
	go func() { _ = p.Wait(); close(p.done) }()
	p.c.Cleanup(func() { _ = p.Process.Kill(); <-p.done })
	if slices.Contains(p.Args, "--stdio") {
		_, err := fmt.Fprintln(p.stdin, `{"jsonrpc":"2.0","id":1,"method":"getToken"}`)
		p.c.check(err)
	}
}

// until waits for an event; the process must not end before it.
func (p *process) until(happened <-chan struct{}) {
	p.c.Helper()
	select {
	case <-happened:
	case <-time.After(time.Minute):
		p.c.Fatalf("%v hangs: %s%s", p.Args[1:], p.stdout.text(), p.stderr.text())
	case <-p.done:
		p.c.Fatalf("%v ended too early: %v: %s%s", p.Args[1:], p.ProcessState, p.stdout.text(), p.stderr.text())
	}
}

func (p *process) says(text string) {
	p.c.Helper()
	p.until(p.stderr.has(text))
}

// answers waits for the answer of a helper with --stdio.
func (p *process) answers() {
	p.c.Helper()
	if slices.Contains(p.Args, "--stdio") {
		p.until(p.stdout.has(`"id":1`))
	}
}

// finish closes the input of the process and waits for the process to end.
func (p *process) finish() {
	p.c.Helper()
	_ = p.stdin.Close()
	p.ends()
}

func (p *process) ends() {
	p.c.Helper()
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		p.c.Fatalf("%v does not end: %s%s", p.Args[1:], p.stdout.text(), p.stderr.text())
	}
}

// A listened output reports when a text was written to it.
type listened struct {
	mu      sync.Mutex
	written bytes.Buffer
	waiting map[string]chan struct{}
}

func (l *listened) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written.Write(text)
	l.tell()
	return len(text), nil
}

func (l *listened) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written.String()
}

// has returns a channel that is closed when the text was written.
func (l *listened) has(text string) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = map[string]chan struct{}{}
	}
	came := make(chan struct{})
	l.waiting[text] = came
	l.tell()
	return came
}

func (l *listened) tell() {
	for text, came := range l.waiting {
		if strings.Contains(l.written.String(), text) {
			close(came)
			delete(l.waiting, text)
		}
	}
}

// lock takes the session's lock, as another process would.
func (c *computer) lock() (unlock func()) {
	c.Helper()
	unlock, ok, err := c.tokenFile().TryLock()
	if !ok {
		c.Fatal("the lock is not free: ", err)
	}
	unlock = sync.OnceFunc(unlock)
	c.Cleanup(unlock)
	return unlock
}

// waitsForLock waits until the log says that the process waits for the lock.
func (p *process) waitsForLock() {
	p.c.Helper()
	said := make(chan struct{})
	go func() {
		defer close(said)
		for p.c.Context().Err() == nil {
			if text, _ := os.ReadFile(p.c.path("oci-oidc-debug.log")); bytes.Contains(text, []byte("has the session's lock")) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	p.until(said)
}

// refreshTokens returns the refresh tokens that were sent to the domain.
func (c *computer) refreshTokens() (all []string) {
	for _, request := range c.server.Requests(domaintest.Token) {
		if request.Form.Get("grant_type") == "refresh_token" {
			all = append(all, request.Form.Get("refresh_token"))
		}
	}
	return all
}

// isKept checks that the session continues: the refresh token on the disk is the one that the
// domain expects.
func (c *computer) isKept(name string) {
	c.Helper()
	if _, said, code := c.run("refresh"); code != exitOK {
		c.Errorf("%s: the session is lost: exit code %d: %s", name, code, said)
	}
}

// isLost checks that the helper reports that the session may be lost, and what to do.
func (c *computer) isLost(name string) {
	c.Helper()
	if _, said, code := c.run("token"); code != exitOK && (code != exitSignIn || !strings.Contains(said, `Run /connect in OpenCode, or "oci-oidc-helper connect" at a prompt.`)) {
		c.Errorf("%s: exit code %d: %s", name, code, said)
	}
}
