//go:build !race

// In a synctest bubble one simulated process runs only while the others wait. The race
// detector does not know that and reports races, so make test-go runs this file without it.

package oidc

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/maphash"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

var script = flag.String("script", "", "the script of TestEveryBranch to replay, such as 2:0,3,1")

// bounds limit how far the explorer goes.
type bounds struct {
	processes int
	calls     int  // of all processes together
	faults    int  // crashes, power cuts, and whatever else goes wrong
	moves     int  // of the clock
	rare      bool // the clock is set back, the file damaged, the configuration changed

	unreadable bool // a process cannot read the file for a while
}

// The explorations run one after the other, the small ones first, so that a bug is found
// with a short script.
var explorations = []bounds{
	{processes: 2, calls: 2, faults: 1, moves: 1, rare: true},
	{processes: 2, calls: 1, faults: 2, moves: 0, rare: true},
	{processes: 1, calls: 2, faults: 2, moves: 0, unreadable: true},
	{processes: 2, calls: 3, faults: 1, moves: 0, unreadable: true},
	{processes: 3, calls: 2, faults: 1, moves: 1},
	{processes: 2, calls: 2, faults: 1, moves: 2},
	{processes: 2, calls: 2, faults: 2, moves: 0},
}

// TestEveryBranch runs real sessions of several processes over a disk, a domain, a keyring
// and a clock that do what a script says, and takes every branch within the bounds of
// explorations, two of which let two things go wrong: 130,000 distinct states in a minute
// and a half of one core; with -short the first exploration alone, 35,000 states.
//
// At each step of a process (taking the lock, making room, sending a refresh or a
// revocation, writing, syncing, renaming, syncing the directory, removing) another one
// may go on, the process may be killed before or after it, the step may fail, and the
// power may be cut. The domain answers, loses the request or the answer, refuses,
// throttles, ends the session, or answers oddly; the clock moves forward to before or past
// the expiry. A call asks for a token, refreshes, signs out, or signs in. In two of the
// explorations the clock may also be set back by an hour, the file may be damaged, and a
// process may get another configuration, which ends one session and begins the next; in two
// others a process may be unable to read the file for a while.
//
// What must hold:
//
//   - A returned token is valid, and is on the disk or reported as unsaved.
//   - A process does not send a refresh token again if it got the answer to its first
//     use, nor if the answer was lost and the access token is still valid, nor before
//     the time in Retry-After.
//   - A valid refresh token that a process has received is lost only if that process is
//     killed.
//   - Newer tokens are not overwritten, and none are written after a sign-out.
//   - The results of calls and Status agree with the disk.
//
// The disk is a model of package tokens' files: what is not synced may be gone after a
// power cut, and a draft counts once it is synced. Left out are a lock that cannot be used,
// a file that is damaged while a process has older tokens, which it would save again, and a
// failing sign-in of a process that has never read the file and cannot.
//
// A path that fails prints the -script that replays it.
func TestEveryBranch(t *testing.T) {
	e := newExplorer(t)
	// Its garbage is much, and what it keeps is little: a third of the time goes otherwise into
	// collecting.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	if *script != "" {
		e.replay(*script)
		return
	}
	wanted := 100_000
	run := explorations
	switch {
	case runtime.GOOS == "windows": // the disk, the domain and the clock are the same models on every system
		wanted, run = 1000, []bounds{{processes: 2, calls: 1, faults: 1, moves: 1, rare: true}}
	case testing.Short():
		wanted, run = 10_000, run[:1]
	}
	for i, b := range run {
		began, before, runs := time.Now(), len(e.states), e.runs
		e.explore(i, b)
		t.Logf("%+v: %d states more, %d runs, %d that took another way, %s", b, len(e.states)-before, e.runs-runs, e.strayed, time.Since(began).Round(time.Millisecond))
		if t.Failed() {
			return
		}
	}
	if len(e.states) < wanted {
		t.Errorf("only %d distinct states, not %d", len(e.states), wanted)
	}
}

// An explorer runs scripts until every branch was taken.
type explorer struct {
	t       *testing.T
	config  config.Config
	places  store.Places
	infos   []os.FileInfo // of files that differ: for stamps
	keyring error         // what tokens says when no keyring answers
	damaged error         // what tokens says of a damaged file
	seed    maphash.Seed

	seen    map[uint64]struct{} // states with what is left of the bounds
	states  map[uint64]struct{} // states without it
	runs    int
	strayed int
}

const manyFiles = 64

func newExplorer(t *testing.T) *explorer {
	home := t.TempDir()
	e := &explorer{
		t: t, seed: maphash.MakeSeed(), states: map[uint64]struct{}{},
		places: store.Places{Home: home, StateDir: home},
		config: config.Config{DomainURL: "https://idcs.example", ClientID: "c", AuthMethod: config.MobileApp,
			Scope: config.DefaultScope, RedirectURIs: []string{config.DefaultRedirectURI}, BaseURL: "https://llm.example"},
	}
	for i := range manyFiles {
		path := filepath.Join(home, fmt.Sprint(i))
		if err := os.WriteFile(path, make([]byte, i), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		e.infos = append(e.infos, info)
	}
	garbage := tokens.Open(e.places, e.config)
	if err := os.WriteFile(garbage.Path(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, e.damaged = garbage.Load(); !tokens.Damaged(e.damaged) {
		t.Fatalf("not damaged: %v", e.damaged)
	}
	sealed := e.config
	sealed.TokenStore = config.KeyringStore
	keyring.MockInitWithError(errors.New("gone"))
	defer keyring.MockInit()
	if _, e.keyring = tokens.Open(e.places, sealed).Reserve(false); !tokens.KeyringFault(e.keyring) {
		t.Fatalf("no fault of the keyring: %v", e.keyring)
	}
	return e
}

// explore takes every branch within the bounds, depth first. Each path is a script of
// choices that is run from the start; it ends where a state was seen before.
func (e *explorer) explore(number int, b bounds) {
	e.seen = map[uint64]struct{}{}
	todo := [][]byte{nil}
	for len(todo) > 0 && !e.t.Failed() {
		synctest.Test(e.t, func(t *testing.T) {
			for range 2000 { // then a new bubble, because the fake clock of one cannot run for ever
				if len(todo) == 0 || t.Failed() {
					return
				}
				next := todo[len(todo)-1]
				todo = todo[:len(todo)-1]
				e.runs++
				w := e.start(t, b)
				todo = append(todo, w.run(next, false)...)
				w.end()
				if w.wrong != "" {
					t.Errorf("%s\n%s\nreplay with -script=%d:%s", w.wrong, strings.Join(w.told, "\n"), number, scriptText(w.taken))
				}
			}
		})
	}
}

func (e *explorer) replay(script string) {
	head, tail, _ := strings.Cut(script, ":")
	number, err := strconv.Atoi(head)
	if err != nil || number >= len(explorations) {
		e.t.Fatalf("no exploration %q", head)
	}
	var choices []byte
	for _, one := range strings.Split(tail, ",") {
		n, err := strconv.ParseUint(one, 10, 8)
		if err != nil {
			e.t.Fatal(err)
		}
		choices = append(choices, byte(n))
	}
	e.seen = map[uint64]struct{}{}
	synctest.Test(e.t, func(t *testing.T) {
		w := e.start(t, explorations[number])
		w.run(choices, true)
		w.end()
		t.Logf("%s\n%s", strings.Join(w.told, "\n"), w.wrong)
		if w.wrong != "" {
			t.Fail()
		}
	})
}

func scriptText(choices []byte) string {
	text := make([]string, len(choices))
	for i, c := range choices {
		text[i] = strconv.Itoa(int(c))
	}
	return strings.Join(text, ",")
}

// explored is the state of one script: processes, a disk, a domain, and the clock of the
// bubble. A process runs until it uses the disk or the domain; the script then says which
// process continues, and how its step ends.
type explored struct {
	e         *explorer
	t         *testing.T
	left      bounds
	processes []*proc
	closing   []*proc // whose configuration changed
	disk      modelDisk
	taken     []byte
	told      []string // the steps so far, for the report of a failure
	wrong     string   // the violated invariant; "" if none
	signedOut bool     // and nobody signed in again
	setBack   int      // the number of the last access token from before the clock was set back

	mu      sync.Mutex
	pending []*step // what processes wait for

	// The domain.
	number  int
	current string // the valid refresh token
	expiry  map[string]time.Time
	settled map[string]bool // refresh tokens that are used up and whose successor is on the disk
	alone   silence         // as saved, for every process
	held    bool            // a process or the disk had the current refresh token after the last choice
	heldOne string
}

// A silence is a Retry-After: until then nobody may refresh the access token.
type silence struct {
	until time.Time
	token string // fingerprint of the access token
}

func (q silence) broken(current cached) bool {
	return time.Now().Before(q.until) && q.token == current.fingerprint
}

// A modelDisk holds one file of tokens. What is not synced may be gone after a power cut.
type modelDisk struct {
	file, before *saved // before: what the file is if the directory's entry is lost
	unsynced     bool
	drafts       []*saved
	version      int
	lock         *proc
}

type saved struct {
	tokens  tokens.Tokens
	version int
	synced  bool
	damaged bool
}

// A proc is one process.
type proc struct {
	w       *explored
	number  int
	session *Session
	dead    bool // it was killed: its steps have no effect
	blind   bool // it cannot read the file
	calling bool
	result  func() // checks the last call
	trace   uint64 // hash of what it has seen since its call began

	ended     map[string]bool // refresh tokens that the domain told it are invalid
	doubt     string          // a refresh token that it sent without getting an answer
	arriving  string          // a refresh token that it received and has not saved yet
	alone     silence         // what the domain told it
	reply     reply           // of the domain to the request in progress
	signingIn bool
}

// A step is one use of the disk or the domain by a process.
type step struct {
	p      *proc
	what   string
	detail string
	t      tokens.Tokens
	done   chan outcome

	checked bool
}

type outcome int

const (
	good outcome = iota
	failed
	keyringFails
	busy
	died
)

// branch is one way to go on.
type branch struct {
	name string
	take func()
}

func (e *explorer) start(t *testing.T, b bounds) *explored {
	w := &explored{e: e, t: t, left: b, expiry: map[string]time.Time{}, settled: map[string]bool{}}
	first := w.issue()
	w.disk.version++
	w.disk.file = &saved{tokens: first, version: w.disk.version, synced: true}
	for i := range b.processes {
		w.processes = append(w.processes, w.newProcess(i))
	}
	return w
}

func (w *explored) newProcess(number int) *proc {
	p := &proc{w: w, number: number, ended: map[string]bool{}}
	s, err := NewSession(w.e.config, w.e.places, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	s.UseTransport(p)
	s.cache.file = modelFile{p}
	p.session = s
	return p
}

const modelLife = time.Hour

// issue makes new tokens at the domain.
func (w *explored) issue() tokens.Tokens {
	w.number++
	access, refresh := fmt.Sprint("access", w.number), fmt.Sprint("refresh", w.number)
	now := time.Now().Round(0)
	w.current, w.expiry[access] = refresh, now.Add(modelLife)
	return tokens.Tokens{
		Access: secret.New(access), Refresh: secret.New(refresh), IssuedAt: now, ExpiresAt: now.Add(modelLife), Type: "Bearer",
		Endpoints: tokens.Endpoints{Token: "https://idcs.example/token", Revocation: "https://idcs.example/revoke"},
	}
}

// run makes the choices of a script, and then always the first one, until a state was
// seen before. It returns the scripts of the choices that it did not make.
func (w *explored) run(choices []byte, replay bool) (others [][]byte) {
	synctest.Wait()
	for i := 0; ; i++ {
		if i >= len(choices) && !w.isNew() && !replay {
			return others
		}
		branches := w.branches()
		if len(branches) == 0 || replay && i >= len(choices) {
			return others
		}
		choice := byte(0)
		if i < len(choices) {
			choice = choices[i]
		} else {
			for other := len(branches) - 1; other > 0; other-- {
				others = append(others, append(append([]byte(nil), w.taken...), byte(other)))
			}
		}
		if int(choice) >= len(branches) {
			w.e.strayed++
			return nil
		}
		w.taken = append(w.taken, choice)
		w.told = append(w.told, branches[choice].name)
		branches[choice].take()
		synctest.Wait()
		w.check()
		if w.wrong != "" {
			return nil
		}
	}
}

// end ends all processes.
func (w *explored) end() {
	for _, p := range w.all() {
		w.kill(p)
		p.session.Close()
	}
	synctest.Wait()
}

// all returns the processes, and those whose session is being closed.
func (w *explored) all() []*proc {
	return append(w.processes[:len(w.processes):len(w.processes)], w.closing...)
}

// kill ends a process: it gets no more answers, and what it does has no effect.
func (w *explored) kill(p *proc) {
	w.mu.Lock()
	p.dead = true
	var left []*step
	for _, s := range w.pending {
		if s.p == p {
			s.done <- died
		} else {
			left = append(left, s)
		}
	}
	w.pending = left
	w.held = false
	if w.disk.lock == p {
		w.disk.lock = nil
	}
	w.mu.Unlock()
	synctest.Wait()
}

// crash ends a process and starts it again.
func (w *explored) crash(p *proc) {
	w.kill(p)
	p.session.Close()
	w.processes[p.number] = w.newProcess(p.number)
}

// reconfigure lets a process begin another session, and close its session meanwhile.
func (w *explored) reconfigure(p *proc) {
	w.processes[p.number] = w.newProcess(p.number)
	w.closing = append(w.closing, p)
	p.calling = true
	p.noteState()
	go func() {
		p.session.Close()
		p.returned(func() { w.closing = slices.DeleteFunc(w.closing, func(c *proc) bool { return c == p }) })
	}()
}

// damage replaces the file by one that cannot be read.
func (w *explored) damage() {
	w.disk.version++
	w.disk.file = &saved{version: w.disk.version, synced: true, damaged: true}
	w.held = false
}

// upToDate reports whether no process has other tokens than the file.
func (w *explored) upToDate() bool {
	return w.disk.file != nil && !w.disk.file.damaged && !slices.ContainsFunc(w.all(), func(p *proc) bool {
		current := p.session.cache.get()
		return !current.Empty() && !same(current.Tokens, w.disk.file.tokens)
	})
}

// setClockBack moves all that was noted by the wall clock an hour ahead of it. The clock of
// the bubble itself cannot be set back.
func (w *explored) setClockBack() {
	later := func(t *tokens.Tokens) {
		for _, one := range []*time.Time{&t.IssuedAt, &t.ExpiresAt, &t.RefreshSentAt, &t.RetryAt} {
			if !one.IsZero() {
				*one = one.Add(time.Hour)
			}
		}
	}
	for _, file := range append(w.disk.drafts[:len(w.disk.drafts):len(w.disk.drafts)], w.disk.file, w.disk.before) {
		if file != nil {
			later(&file.tokens)
		}
	}
	for _, p := range w.processes {
		p.alone = silence{}
		later(&p.session.cache.memory.Tokens)
		later(&p.session.cache.memory.saved)
	}
	w.alone, w.setBack = silence{}, w.number
}

// powerCut ends all processes; what is not synced is there afterwards or not.
func (w *explored) powerCut(lost bool) {
	for _, p := range w.closing {
		w.kill(p)
	}
	w.closing = nil
	for _, p := range w.processes {
		w.crash(p)
	}
	d := &w.disk
	if lost {
		if d.unsynced {
			d.file = d.before
		}
		var drafts []*saved
		for _, draft := range d.drafts {
			if draft.synced {
				drafts = append(drafts, draft)
			}
		}
		d.drafts = drafts
	}
	d.unsynced, d.before = false, nil
	for _, draft := range d.drafts {
		draft.synced = true
	}
}

// --- what may happen next ---

func (w *explored) branches() (all []branch) {
	fault := w.left.faults > 0
	add := func(name string, take func()) { all = append(all, branch{name, take}) }
	for _, s := range w.pending {
		if s.what == "locks" && s.p.signingIn {
			return w.ways(s)
		}
	}
	for _, p := range w.all() {
		name := fmt.Sprint("process ", p.number)
		var mine *step
		for _, s := range w.pending {
			if s.p == p {
				mine = s
				break
			}
		}
		if mine != nil {
			for _, way := range w.ways(mine) {
				add(name+" "+mine.what+" "+mine.detail+": "+way.name, way.take)
			}
		}
		if mine == nil && !p.calling && w.left.calls > 0 {
			call := func(what string, do func()) {
				add(name+" "+what, func() {
					w.left.calls--
					time.Sleep(modelLatency)
					p.calling, p.trace = true, 0
					p.note(what)
					p.noteState()
					go do()
				})
			}
			call("asks for a token", func() {
				token, err := p.session.Token(context.Background(), "")
				p.returned(func() { p.checkToken(token, err) })
			})
			call("refreshes", func() {
				token, err := p.session.Refresh(context.Background())
				p.returned(func() { p.checkToken(token, err) })
			})
			call("signs out", func() {
				_, err := p.session.Disconnect(context.Background())
				p.returned(func() { p.checkSignedOut(err) })
			})
			if w.quiet() && w.number < 4 {
				call("signs in", p.signIn)
			}
		}
		if fault && w.processes[p.number] == p && (mine != nil || p.session.cache.get().fingerprint != "") {
			add(name+" is killed", func() { w.left.faults--; w.crash(p) })
			if w.left.rare && !p.calling {
				add(name+" gets another configuration", func() { w.left.faults--; w.reconfigure(p) })
			}
		}
	}
	for _, p := range w.processes {
		name, saving := fmt.Sprint("process ", p.number), p.wants("writes")
		switch {
		case p.blind && p.idle():
			add(name+" can read the file again", func() { p.blind = false })
		case !p.blind && fault && w.left.unreadable && p.session.cache.get().fingerprint != "" && (saving || w.quiet()):
			add(name+" cannot read the file", func() { w.left.faults--; p.blind = true })
		}
	}
	if fault && w.left.rare && w.disk.lock == nil && w.upToDate() {
		add("the file is damaged", func() { w.left.faults--; w.damage() })
	}
	if w.left.moves > 0 && w.left.rare && w.quiet() {
		add("the clock is set back by an hour", func() { w.left.moves--; w.setClockBack() })
	}
	if w.left.moves > 0 && !w.saving() && len(w.closing) == 0 {
		moves := []time.Duration{57 * time.Minute}
		if w.left.moves == 1 {
			moves = append(moves, 3*time.Minute, time.Hour)
		}
		for _, move := range moves {
			add("the clock moves by "+move.String(), func() { w.left.moves--; time.Sleep(move) })
		}
	}
	if fault && (w.disk.unsynced || len(w.disk.drafts) > 0) {
		add("the power is cut, what is not synced is gone", func() { w.left.faults--; w.powerCut(true) })
		add("the power is cut, what is not synced is there", func() { w.left.faults--; w.powerCut(false) })
	}
	return all
}

// saving reports whether a process has tokens that it is about to return: they may be as
// old then as the disk is slow.
func (w *explored) saving() bool {
	for _, s := range w.pending {
		if !s.t.Empty() {
			return true
		}
	}
	return false
}

// settledDisk reports whether the file is all that the disk has to tell. A draft is
// noticed only when the lock is taken.
func (w *explored) settledDisk() bool { return !w.saving() && len(w.disk.drafts) == 0 }

// ways are the ways in which a step can end.
func (w *explored) ways(s *step) (all []branch) {
	p, d := s.p, &w.disk
	add := func(name string, take func() outcome) {
		all = append(all, branch{name, func() { w.finish(s, take()) }})
	}
	fails := func(name string, take func() outcome) {
		if w.left.faults > 0 {
			add(name, func() outcome { w.left.faults--; return take() })
		}
	}
	just := func(o outcome) func() outcome { return func() outcome { return o } }
	switch s.what {
	case "locks":
		if d.lock != nil && d.lock != p {
			add("another has it", func() outcome { return busy })
			break
		}
		add("done", func() outcome { d.lock, p.signingIn = p, false; return good })
	case "reserves":
		add("done", just(good))
		fails("the disk is full", just(failed))
		fails("the keyring does not answer", just(keyringFails))
	case "writes":
		add("done", func() outcome {
			d.version++
			d.drafts = append(d.drafts, &saved{tokens: s.t, version: d.version})
			return good
		})
		fails("it fails", just(failed))
	case "syncs":
		add("done", func() outcome { d.drafts[len(d.drafts)-1].synced = true; return good })
		fails("it fails", func() outcome { d.drafts = d.drafts[:len(d.drafts)-1]; return failed })
	case "renames":
		add("done", func() outcome {
			w.checkPlaced(s)
			last := len(d.drafts) - 1
			d.before, d.file, d.unsynced = d.file, d.drafts[last], true
			d.drafts = d.drafts[:last]
			return good
		})
		fails("it fails", just(failed))
	case "syncs the directory":
		add("done", func() outcome { d.unsynced, d.before, d.drafts = false, nil, nil; return good })
	case "removes":
		add("done", func() outcome {
			d.before, d.file, d.unsynced, d.drafts = d.file, nil, true, nil
			w.current = "" // nobody shall have it any more
			return good
		})
		fails("it fails", just(failed))
	case "sends", "revokes":
		for _, way := range w.answers(s) {
			if way.fault {
				fails(way.name, way.take)
			} else {
				add(way.name, way.take)
			}
		}
	}
	return all
}

// finish lets a process go on.
func (w *explored) finish(s *step, o outcome) {
	w.mu.Lock()
	for i, other := range w.pending {
		if other == s {
			w.pending = append(w.pending[:i:i], w.pending[i+1:]...)
			break
		}
	}
	w.mu.Unlock()
	if o != busy {
		s.p.note(s.what, s.detail, strconv.Itoa(int(o)))
	}
	s.done <- o
	if o == busy { // until it tries again
		time.Sleep(2 * lockPoll * pollsPerLock)
	}
}

// want waits until the script lets a step end.
func (p *proc) want(what, detail string, t tokens.Tokens) outcome {
	w := p.w
	w.mu.Lock()
	if p.dead {
		w.mu.Unlock()
		return died
	}
	s := &step{p: p, what: what, detail: detail, t: t, done: make(chan outcome, 1)}
	w.pending = append(w.pending, s)
	w.mu.Unlock()
	return <-s.done
}

func (p *proc) returned(check func()) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.calling = false
	if !p.dead {
		p.result = check
	}
}

// signIn gets new tokens and the lock at once, so that tokens are saved in the order in
// which they were issued.
func (p *proc) signIn() {
	fresh := p.w.issue()
	p.w.signedOut, p.signingIn = false, true
	p.arriving = fresh.Refresh.Reveal()
	_ = p.session.begin(context.Background(), fresh, true)
	p.returned(p.checkStatus)
}

// quiet reports whether nobody has anything to do.
func (w *explored) quiet() bool {
	for _, p := range w.processes {
		if p.calling {
			return false
		}
	}
	return len(w.pending) == 0
}

// note makes what a process has seen a part of its state.
func (p *proc) note(parts ...string) {
	var h maphash.Hash
	h.SetSeed(p.w.e.seed)
	maphash.WriteComparable(&h, p.trace)
	for _, part := range parts {
		_, _ = h.WriteString(part)
		_ = h.WriteByte(0)
	}
	p.trace = h.Sum64()
}

func (p *proc) noteState() { p.note(string(p.state(nil))) }

// --- the disk, for one process ---

var errDisk = problem.New(problem.Store, "The disk fails.", "Use another one.")

type modelFile struct{ *proc }

func (f modelFile) Path() string { return "/model" }

func (f modelFile) Stamp() tokens.Stamp { return f.stamp(false) }

func (f modelFile) stamp(other bool) tokens.Stamp {
	if f.w.disk.file == nil {
		return tokens.StampOf(nil, other)
	}
	return tokens.StampOf(f.w.e.infos[f.w.disk.file.version%manyFiles], other)
}

func (f modelFile) Load() (tokens.Tokens, tokens.Stamp, error) {
	if f.dead {
		return tokens.Tokens{}, tokens.Stamp{}, errDisk
	}
	if f.blind && f.w.disk.file != nil {
		return tokens.Tokens{}, f.stamp(false), errDisk
	}
	t, other := f.w.disk.load()
	if file := f.w.disk.file; file != nil && file.damaged && !other {
		f.note("loads nothing")
		return tokens.Tokens{}, f.stamp(false), f.w.e.damaged
	}
	f.note("loads", t.Access.Reveal(), t.Refresh.Reveal(), strconv.FormatBool(t.RefreshSentAt.IsZero()), strconv.FormatBool(t.RetryAt.IsZero()))
	return t, f.stamp(other), nil
}

// load is as [tokens.File.Load]: a draft that was saved after the file counts,
// here only when it is synced.
func (d *modelDisk) load() (t tokens.Tokens, other bool) {
	newest := &saved{}
	if d.file != nil && !d.file.damaged {
		newest = d.file
	}
	for _, draft := range d.drafts {
		if draft.synced && draft.version > newest.version {
			newest, other = draft, true
		}
	}
	return newest.tokens, other
}

func (f modelFile) TryLock() (unlock func(), ok bool, err error) {
	switch f.want("locks", "", tokens.Tokens{}) {
	case good:
		return func() {
			f.w.mu.Lock()
			defer f.w.mu.Unlock()
			if f.w.disk.lock == f.proc {
				f.w.disk.lock = nil
			}
		}, true, nil
	case busy:
		return nil, false, nil
	default:
		return nil, false, errDisk
	}
}

func (f modelFile) Reserve(bool) (room, error) {
	switch f.want("reserves", "", tokens.Tokens{}) {
	case good:
		return f, nil
	case keyringFails:
		return nil, f.w.e.keyring
	default:
		return nil, errDisk
	}
}

func (f modelFile) Release() {}

// Save is as [tokens.Room.Save].
func (f modelFile) Save(t tokens.Tokens) (tokens.Stamp, error) {
	name := t.Access.Reveal() + "/" + t.Refresh.Reveal()
	if !t.RefreshSentAt.IsZero() {
		name += "?"
	}
	if !t.RetryAt.IsZero() {
		name += ", later"
	}
	for _, what := range []string{"writes", "syncs", "renames", "syncs the directory"} {
		switch o := f.want(what, name, t); {
		case o == failed && what == "renames":
			f.savedWell()
			return f.stamp(true), nil // the draft is kept
		case o != good:
			return tokens.Stamp{}, errDisk
		}
	}
	f.savedWell()
	return f.stamp(false), nil
}

// savedWell notes what everybody can know after a save.
func (f modelFile) savedWell() {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	now, _ := f.w.disk.load()
	for refresh := range f.ended {
		if now.Refresh.Reveal() != refresh {
			f.w.settled[refresh] = true
		}
	}
}

func (f modelFile) Erase() error {
	for _, what := range []string{"removes", "syncs the directory"} {
		if f.want(what, "", tokens.Tokens{}) != good {
			return errDisk
		}
	}
	return nil
}

// --- the domain ---

func (p *proc) RoundTrip(req *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, err
	}
	what, token := "sends", form.Get("refresh_token")
	if strings.HasSuffix(req.URL.Path, "/revoke") {
		what, token = "revokes", form.Get("token")
	}
	o := p.want(what, token, tokens.Tokens{})
	if o == died || o == notConnected {
		return nil, errors.New("no route to host")
	}
	httptrace.ContextClientTrace(req.Context()).WroteHeaders()
	if o == lost {
		return nil, errors.New("connection reset")
	}
	r := p.reply
	resp := answer(req, r.status, r.body)
	if r.status == http.StatusTooManyRequests {
		resp.Header.Set("Retry-After", "600")
	}
	return resp, nil
}

const (
	answered outcome = 10 + iota
	notConnected
	lost
)

type reply struct {
	status int
	body   string
}

// answerTo is one way in which the domain answers.
type answerTo struct {
	name  string
	fault bool
	take  func() outcome
}

// answers are the ways in which a request to the domain can end.
func (w *explored) answers(s *step) []answerTo {
	p := s.p
	says := func(status int, body string) outcome {
		p.reply = reply{status, body}
		return answered
	}
	if s.what == "revokes" {
		end := func() {
			if s.detail == w.current {
				w.current = ""
			}
		}
		return []answerTo{
			{"done", false, func() outcome { end(); return says(http.StatusOK, "") }},
			{"the answer is lost", true, func() outcome { end(); return lost }},
			{"no connection", true, func() outcome { return notConnected }},
		}
	}
	// refreshed processes the request and returns the new tokens.
	refreshed := func() (fresh tokens.Tokens, ok bool) {
		if s.detail != w.current {
			return fresh, false
		}
		time.Sleep(modelLatency)
		return w.issue(), true
	}
	tells := func(form string) func() outcome {
		return func() outcome {
			p.ended[s.detail], p.doubt = true, ""
			fresh, ok := refreshed()
			if !ok {
				return says(http.StatusBadRequest, `{"error":"invalid_grant"}`)
			}
			p.arriving = fresh.Refresh.Reveal()
			return says(http.StatusOK, strings.NewReplacer("ACCESS", fresh.Access.Reveal(), "REFRESH", fresh.Refresh.Reveal()).Replace(form))
		}
	}
	const plain = `{"access_token":"ACCESS","refresh_token":"REFRESH","token_type":"Bearer","expires_in":3600}`
	doubt := func(o outcome, processed bool) func() outcome {
		return func() outcome {
			if processed {
				refreshed()
			}
			p.doubt = s.detail
			return o
		}
	}
	all := []answerTo{
		{"answered", false, tells(plain)},
		{"the answer is lost", true, doubt(lost, true)},
		{"the request is lost", true, doubt(lost, false)},
		{"no connection", true, func() outcome { return notConnected }},
		{"throttled for ten minutes", true, func() outcome {
			p.alone = silence{time.Now().Add(10 * time.Minute), p.session.cache.get().fingerprint}
			if w.left.faults == 0 { // and so it can be saved
				w.alone = p.alone
			}
			return says(http.StatusTooManyRequests, "<html>")
		}},
		{"unavailable", true, func() outcome { return says(http.StatusServiceUnavailable, "<html>") }},
	}
	if s.detail == w.current {
		all = append(all,
			answerTo{"an odd lifetime", true, tells(strings.Replace(plain, `3600`, `"3600.0"`, 1))},
			answerTo{"no lifetime", true, tells(strings.Replace(plain, `3600`, `""`, 1))},
			answerTo{"an odd type", true, tells(strings.Replace(plain, `Bearer`, `odd`, 1))},
			answerTo{"no access token", true, tells(strings.Replace(plain, `"access_token":"ACCESS",`, ``, 1))},
			answerTo{"the session was ended", true, func() outcome { w.current = ""; return tells(plain)() }},
		)
	}
	return all
}

// --- what must hold ---

func (w *explored) fail(format string, args ...any) {
	if w.wrong == "" {
		w.wrong = fmt.Sprintf(format, args...)
	}
}

// check is made after each choice.
func (w *explored) check() {
	for _, p := range w.all() {
		if check := p.result; check != nil {
			p.result = nil
			check()
		}
		if p.idle() {
			p.arriving = ""
			if !p.calling {
				p.trace = 0
			}
		}
	}
	for _, s := range w.pending {
		if s.what == "sends" && !s.checked {
			s.checked = true
			w.checkSent(s)
		}
	}
	held := w.holds()
	if w.held && !held && w.heldOne == w.current && w.current != "" && !w.signedOut {
		w.fail("nobody has %s any more", w.current)
	}
	w.held, w.heldOne = held, w.current
}

// holds reports whether a process or the disk has the refresh token that serves.
func (w *explored) holds() bool {
	if t, _ := w.disk.load(); t.Refresh.Reveal() == w.current {
		return true
	}
	for _, p := range w.all() {
		if p.arriving == w.current || p.session.cache.get().Refresh.Reveal() == w.current {
			return true
		}
	}
	return false
}

func (w *explored) checkSent(s *step) {
	p, current := s.p, s.p.session.cache.get()
	switch {
	case p.ended[s.detail] || w.settled[s.detail]:
		w.fail("process %d sends %s again, though its first use was answered", p.number, s.detail)
	case p.doubt == s.detail && current.Usable(time.Now()):
		w.fail("process %d sends %s, which may be used up, while its access token is valid", p.number, s.detail)
	case p.alone.broken(current) || w.alone.broken(current):
		w.fail("process %d sends %s, though the domain wants to be left alone", p.number, s.detail)
	}
}

// checkPlaced is made when a file takes its place.
func (w *explored) checkPlaced(s *step) {
	if w.signedOut {
		w.fail("process %d saves tokens after a sign-out", s.p.number)
	}
	now, _ := w.disk.load()
	if number(s.t.Access.Reveal()) < number(now.Access.Reveal()) || !s.t.Refresh.Empty() && refreshNumber(s.t) < refreshNumber(now) {
		w.fail("process %d overwrites newer tokens", s.p.number)
	}
}

func refreshNumber(t tokens.Tokens) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(t.Refresh.Reveal(), "refresh"))
	return n
}

// checkToken is made of what a call returned.
func (p *proc) checkToken(token Token, err error) {
	w := p.w
	onDisk, _ := w.disk.load()
	if err == nil {
		w.told = append(w.told, fmt.Sprintf("process %d returns %s", p.number, token.Access.Reveal()))
		switch {
		case !time.Now().Before(w.expiry[token.Access.Reveal()]) && number(token.Access.Reveal()) > w.setBack:
			w.fail("process %d returns a token that has expired", p.number)
		case w.signedOut:
			w.fail("process %d returns a token after a sign-out", p.number)
		case p.session.Unsaved() == nil && number(onDisk.Access.Reveal()) < number(token.Access.Reveal()):
			w.fail("process %d returns a token that is not on the disk, and does not tell", p.number)
		}
	} else {
		told := problem.From(err)
		w.told = append(w.told, fmt.Sprintf("process %d says: %s", p.number, told.Message))
		switch {
		case told.Kind == problem.Internal:
			w.fail("process %d tells of a problem without a name: %v", p.number, told.Cause)
		case told.Kind == problem.LoginRequired && !onDisk.Refresh.Empty() && !p.ended[onDisk.Refresh.Reveal()] && w.settledDisk():
			w.fail("process %d asks for a sign-in, while the disk has %s", p.number, onDisk.Refresh.Reveal())
		}
	}
	p.checkStatus()
}

func (p *proc) checkStatus() {
	w := p.w
	status, current := p.session.Status(), p.session.cache.get()
	onDisk, _ := w.disk.load()
	same := same(onDisk, current.Tokens)
	switch {
	case p.blind:
	case status.Unsaved && same:
		w.fail("process %d says that its tokens are not saved, but they are", p.number)
	case !status.Unsaved && !same && w.settledDisk():
		w.fail("process %d has %s/%s, says that they are saved, but the disk has %s/%s", p.number,
			current.Access.Reveal(), current.Refresh.Reveal(), onDisk.Access.Reveal(), onDisk.Refresh.Reveal())
	case status.SignedIn && w.signedOut:
		w.fail("process %d says that it is signed in after a sign-out", p.number)
	case !status.SignedIn && !onDisk.Refresh.Empty() && !p.ended[onDisk.Refresh.Reveal()] && w.settledDisk():
		w.fail("process %d says that it is not signed in, while the disk has %s", p.number, onDisk.Refresh.Reveal())
	}
}

func (p *proc) checkSignedOut(err error) {
	w := p.w
	if err != nil {
		return
	}
	if onDisk, _ := w.disk.load(); !onDisk.Empty() {
		w.fail("process %d says that it signed out, while the disk has tokens", p.number)
	}
	w.signedOut, w.current = true, ""
	p.checkStatus()
}

// idle reports whether the process wants nothing and has no call.
func (p *proc) idle() bool { return !p.calling && !p.wants("") }

// wants reports whether the process waits for such a step, or for any.
func (p *proc) wants(what string) bool {
	return slices.ContainsFunc(p.w.pending, func(s *step) bool { return s.p == p && (what == "" || s.what == what) })
}

// --- states ---

// isNew notes the present state and reports whether it was not seen before.
func (w *explored) isNew() bool {
	var h maphash.Hash
	h.SetSeed(w.e.seed)
	_, _ = h.Write(w.state())
	w.e.states[h.Sum64()] = struct{}{}
	maphash.WriteComparable(&h, w.left)
	sum := h.Sum64()
	if _, seen := w.e.seen[sum]; seen {
		return false
	}
	w.e.seen[sum] = struct{}{}
	return true
}

// state describes all that what follows depends on, but what is left of the bounds.
func (w *explored) state() []byte {
	b := make([]byte, 0, 512)
	d := &w.disk
	b = d.file.state(b)
	b = strconv.AppendBool(append(b, '|'), d.unsynced)
	if d.unsynced {
		b = d.before.state(b)
	}
	for _, draft := range d.drafts {
		b = draft.state(append(b, 'd'))
		b = strconv.AppendBool(b, d.file == nil || draft.version > d.file.version)
	}
	b = strconv.AppendInt(append(b, '|'), int64(w.number), 10)
	b = strconv.AppendInt(append(b, '|'), int64(w.setBack), 10)
	b = append(append(b, '|'), w.current...)
	b = strconv.AppendBool(b, w.signedOut)
	b = w.alone.state(b)
	if d.lock != nil {
		b = strconv.AppendInt(append(b, 'l'), int64(d.lock.number), 10)
	}
	for n := range w.number + 1 {
		b = strconv.AppendBool(b, w.settled["refresh"+strconv.Itoa(n)])
	}
	for _, p := range w.all() {
		b = append(b, "\nprocess "...)
		b = p.state(b)
		for n := range w.number + 1 {
			b = strconv.AppendBool(b, p.ended["refresh"+strconv.Itoa(n)])
		}
		b = append(append(b, p.doubt...), '|')
		b = append(append(b, p.arriving...), '|')
		b = p.alone.state(b)
		b = strconv.AppendBool(strconv.AppendBool(b, p.calling), p.blind)
		b = strconv.AppendUint(append(b, '|'), p.trace, 16)
		for _, s := range w.pending {
			if s.p == p {
				b = append(append(append(b, '>'), s.what...), s.detail...)
			}
		}
	}
	return b
}

func (q silence) state(b []byte) []byte { return append(appendAge(b, q.until), q.token...) }

func (s *saved) state(b []byte) []byte {
	if s == nil {
		return append(b, "none"...)
	}
	b = append(append(b, s.tokens.Access.Reveal()...), s.tokens.Refresh.Reveal()...)
	b = appendAge(b, s.tokens.ExpiresAt)
	b = strconv.AppendBool(b, s.tokens.RefreshSentAt.IsZero())
	b = appendAge(b, s.tokens.RetryAt)
	return strconv.AppendBool(strconv.AppendBool(b, s.synced), s.damaged)
}

// state is what a session knows.
func (p *proc) state(b []byte) []byte {
	s := p.session
	current := s.cache.get()
	b = append(append(append(b, current.Access.Reveal()...), current.Refresh.Reveal()...), '|')
	b = appendAge(appendAge(b, current.ExpiresAt), current.RetryAt)
	for _, one := range []bool{current.RefreshSentAt.IsZero(), current.Tokens == current.saved, current.withheld, current.behind, current.stamp.OtherForm(),
		current.stamp.Same(modelFile{p}.Stamp()), current.problem == nil, s.lastProblem == nil, s.lastUse.IsZero()} {
		b = strconv.AppendBool(b, one)
	}
	b = append(append(append(b, current.saved.Access.Reveal()...), current.saved.Refresh.Reveal()...), '|')
	b = append(append(b, s.lastProblemToken...), '|')
	b = append(append(b, s.pause.replacing...), '|')
	b = appendAge(b, s.pause.until)
	b = strconv.AppendInt(b, int64(s.pause.failures), 10)
	b = appendAge(b, s.nextRewrite)
	return b
}

// appendAge appends how long from now a time is: to three minutes, which are the
// smallest step of the clock, or that it is past.
func appendAge(b []byte, t time.Time) []byte {
	left := time.Until(t)
	if t.IsZero() || left < -time.Minute {
		return append(b, "over,"...)
	}
	return append(strconv.AppendInt(b, int64(left.Round(3*time.Minute)/time.Minute), 10), ',')
}
