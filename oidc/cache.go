package oidc

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	lockPoll     = 5 * time.Millisecond       // between two polls while another process has the lock
	pollsPerLock = 5                          // the lock itself is tried at every fifth poll only
	lockTimeout  = 2 * domain.ExchangeTimeout // how long another process's refresh may keep the lock
	lockLogAfter = time.Second                // a longer wait for the lock is logged
)

// A cache holds the tokens of a session: in the memory of this process, and in the file
// that all processes share. Tokens are written in one way only, [cache.update]: lock,
// read the file again, decide, save. So this process never overwrites tokens that
// another one saved without having read them, and notices a sign-out in another process.
type cache struct {
	file    file
	log     *slog.Logger
	changed func() // called, without locks held, after the tokens changed

	updating chan struct{} // serialises updates in this process; the file lock may be unavailable
	lockless atomic.Bool   // the file lock was unavailable at least once

	mu     sync.Mutex
	memory cached
}

// A file is what the cache needs of a [tokens.File]. Call Save and Erase while holding
// its lock.
type file interface {
	Path() string
	Stamp() tokens.Stamp
	Load() (tokens.Tokens, tokens.Stamp, error)
	TryLock() (unlock func(), ok bool, err error)
	Reserve(signIn bool) (room, error)
	Save(tokens.Tokens) (tokens.Stamp, error)
	Erase() error
}

// A room is what the cache needs of a [tokens.Room]: disk space reserved for one save.
type room interface {
	Save(tokens.Tokens) (tokens.Stamp, error)
	Release()
}

// tokensFile makes a [tokens.File] implement file.
type tokensFile struct{ *tokens.File }

func (f tokensFile) Reserve(signIn bool) (room, error) {
	r, err := f.File.Reserve(signIn)
	if err != nil {
		return nil, err // r would be a non-nil room that holds a nil pointer
	}
	return r, nil
}

// cached is a snapshot of the cache: the tokens in memory, and what is known about the
// file. The zero value is a session that is signed out.
type cached struct {
	tokens.Tokens
	saved       tokens.Tokens // what the file held when it was last read or written
	fingerprint string        // of the access token; "" if there is none
	margin      time.Duration // how long before the expiry the refresh begins

	stamp    tokens.Stamp     // of the file when it was last read or written
	withheld bool             // the file holds tokens that this process cannot read: a newer format, no key in the keyring, a file that another program holds
	behind   bool             // the file was changed and could not be read since: the tokens in memory may be used up
	problem  *problem.Problem // of the last read or write of the file, or nil
}

func newCache(file file, log *slog.Logger) *cache {
	return &cache{file: file, log: log, changed: func() {}, updating: make(chan struct{}, 1)}
}

// get returns the tokens in memory.
func (c *cache) get() cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.memory
}

// latest returns the tokens, after reading the file again if another process changed it.
// If the file is unchanged, it costs one stat.
func (c *cache) latest() cached { return c.read(false) }

// read returns the tokens, after reading the file again if it changed or fresh is true.
func (c *cache) read(fresh bool) cached {
	c.mu.Lock()
	before := c.memory
	if fresh || !c.file.Stamp().Same(before.stamp) {
		c.memory = before.merged(c.file.Load())
		// Callers poll: the same problem is logged once.
		if p := c.memory.problem; p != nil && (before.problem == nil || before.problem.Message != p.Message) {
			c.log.Warn("the saved tokens are not used", "problem", p)
		}
	}
	current := c.memory
	c.mu.Unlock()
	if current.fingerprint != before.fingerprint {
		c.changed()
	}
	return current
}

// merged returns what is in memory after the file was read, with the result of
// [tokens.File.Load]. Only other tokens, a sign-out or a file in a newer format replace
// the tokens in memory; a read error, a damaged file or a directory that is gone does not
// end the session.
func (c cached) merged(t tokens.Tokens, stamp tokens.Stamp, err error) cached {
	if err == nil {
		// Unsaved tokens stay in memory only if the file still holds their predecessors.
		// If there is no file, they stay only if there was none when saving failed;
		// otherwise somebody has signed out since.
		stay := c.unsaved() && c.isSuccessorOf(t)
		if t.Empty() {
			stay = !c.Empty() && (stamp.Same(c.stamp) || c.unsaved() && c.stamp.Same(stamp))
		}
		if stay {
			c.stamp, c.withheld, c.behind = stamp, false, false
			return c
		}
		theirs := tokensOf(t, stamp)
		if theirs.fingerprint == c.fingerprint {
			theirs.margin = c.margin
		}
		if same(t, c.Tokens) && c.Tokens != c.saved { // times that are not on the disk yet
			theirs.RefreshSentAt = later(t.RefreshSentAt, c.RefreshSentAt)
			theirs.RetryAt = later(t.RetryAt, c.RetryAt)
			theirs.End.Told = later(t.End.Told, c.End.Told)
		}
		return theirs
	}
	p := problem.From(err)
	switch {
	case tokens.Newer(err):
		if !c.unsaved() || !c.stamp.Same(stamp) { // tokens requested since this file is there stay
			c = tokensOf(tokens.Tokens{}, stamp)
		}
		c.withheld, c.behind = true, true
	case tokens.Damaged(err):
		c.stamp = stamp
		c.saved = tokens.Tokens{} // the tokens in memory then overwrite the damaged file
	default:
		c.withheld, c.behind = true, c.behind || !c.stamp.Same(stamp)
		if tokens.KeyLost(err) {
			c.stamp = stamp // otherwise it stays, so that the next call of latest tries again
		}
	}
	c.problem = p
	return c
}

func tokensOf(t tokens.Tokens, stamp tokens.Stamp) cached {
	c := cached{Tokens: t, saved: t, stamp: stamp, margin: margin(t)}
	if !t.Access.Empty() {
		c.fingerprint = t.Access.Fingerprint()
	}
	return c
}

// update is the only way to write tokens: it takes the lock, reads the file again and
// calls decide with the result. If enough is not nil, update returns nil without calling
// decide as soon as enough is true of the tokens, even while it waits for the lock.
func (c *cache) update(ctx context.Context, enough func(cached) bool, decide func(current cached, w *writer) error) error {
	unlock, done, err := c.lock(ctx, enough)
	if err != nil || done {
		return err
	}
	defer unlock()
	current := c.read(true)
	if enough != nil && enough(current) {
		return nil
	}
	w := &writer{cache: c}
	defer w.release()
	return decide(current, w)
}

// gone reports whether the file of saved tokens has vanished without a sign-out: see
// [tokens.Stamp.Gone]. The caller must then not take the lock unless somebody signs in or
// out, because the lock's file would make it look like a sign-out to other processes.
func (c *cache) gone(current cached) bool { return !current.unsaved() && c.file.Stamp().Gone() }

// A writer saves or erases tokens during a [cache.update], until decide returns.
type writer struct {
	cache  *cache
	room   room
	signIn bool // saves replace also what could not be read
}

// reserve makes certain that the next save will succeed: see [tokens.File.Reserve].
func (w *writer) reserve(signIn bool) (err error) {
	w.signIn = signIn
	if current := w.cache.get(); current.behind && !signIn {
		return current.problem
	}
	w.room, err = w.cache.file.Reserve(signIn)
	return err
}

func (w *writer) release() {
	if w.room != nil {
		w.room.Release()
	}
}

// save writes tokens to the file and to memory. If writing the file fails, the tokens
// are in memory only, and save returns the error.
func (w *writer) save(t tokens.Tokens) (err error) {
	c, before := w.cache, w.cache.get()
	var stamp tokens.Stamp
	switch {
	case before.behind && !w.signIn:
		err = before.problem
	case w.room != nil:
		stamp, err = w.room.Save(t)
		w.room = nil
	default:
		stamp, err = c.file.Save(t)
	}
	next := tokensOf(t, stamp)
	if err != nil {
		// What is on the disk is what was there before, or a draft of the new tokens.
		next.saved, next.stamp, next.behind = before.saved, before.stamp, before.behind
		if onDisk, stamp, err := c.file.Load(); err == nil && !stamp.Gone() && !before.behind {
			next.saved, next.stamp = onDisk, stamp
		}
		if next.unsaved() {
			next.problem = problem.From(err)
		}
		c.log.Error("saving failed", "problem", problem.From(err), "onlyInMemory", next.unsaved())
	}
	w.set(next)
	return err
}

// erase removes the file, and its key from the keyring. If only removing the key fails,
// the file is gone and erase returns the error all the same.
func (w *writer) erase() error {
	err := w.cache.file.Erase()
	if stamp := w.cache.file.Stamp(); stamp.Same(tokens.Stamp{}) {
		w.set(cached{})
	}
	return err
}

func (w *writer) set(next cached) {
	c := w.cache
	c.mu.Lock()
	c.memory = next
	c.mu.Unlock()
	c.changed()
}

// lock waits for the lock in this process and the file lock across processes. If enough
// is not nil and becomes true while it waits, done is true and nothing is locked. If file
// locks are unavailable, for example under a read-only home, it goes on without one.
func (c *cache) lock(ctx context.Context, enough func(cached) bool) (unlock func(), done bool, err error) {
	select {
	case c.updating <- struct{}{}: // a free lock is taken even if ctx has ended
	default:
		select {
		case c.updating <- struct{}{}:
		case <-ctx.Done():
			return nil, false, problem.From(context.Cause(ctx))
		}
	}
	unlockFile, done, err := c.lockFile(ctx, enough)
	if err != nil || done {
		<-c.updating
		return nil, done, err
	}
	return func() { unlockFile(); <-c.updating }, false, nil
}

func (c *cache) lockFile(ctx context.Context, enough func(cached) bool) (unlock func(), done bool, err error) {
	started, logged := time.Now(), false
	for poll := 0; ; poll++ {
		// Usually the process that has the lock saves the tokens that this one waits for.
		// One stat shows that, and is much cheaper than trying the lock, for which many
		// processes may be waiting.
		if enough == nil || poll%pollsPerLock == 0 {
			unlock, ok, err := c.file.TryLock()
			if err != nil {
				if !c.lockless.Swap(true) {
					c.log.Warn("going on without the lock", "problem", problem.From(err))
				}
				return func() {}, false, nil
			}
			if ok {
				return unlock, false, nil
			}
		}
		waited := time.Since(started)
		if waited > lockLogAfter && !logged {
			c.log.Info("waiting for another process that has the session's lock", "file", c.file.Path())
			logged = true
		}
		if waited > lockTimeout {
			return nil, false, problem.New(problem.Store,
				fmt.Sprintf("Another process has kept the session's lock for %s.", lockTimeout),
				"End other oci-oidc-helper processes that hang, then try again.").Passing()
		}
		select {
		case <-ctx.Done():
			return nil, false, problem.From(context.Cause(ctx))
		case <-time.After(lockPoll/2 + rand.N(lockPoll)):
		}
		// If the new tokens are there, nobody needs the lock any longer.
		if enough != nil && enough(c.latest()) {
			return nil, true, nil
		}
	}
}

func (c cached) token() Token {
	return Token{Access: c.Access, Type: c.Type, ExpiresAt: c.ExpiresAt}
}

// same reports whether a and b are the same tokens, whatever their times and endpoints.
func same(a, b tokens.Tokens) bool { return a.Access == b.Access && a.Refresh == b.Refresh }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// isSuccessorOf reports whether the unsaved tokens are the successors of those on the disk: the
// file still holds the tokens that the unsaved ones replaced, except that its refresh
// token may be missing. Another process removes the refresh token from the file if the
// domain refuses it, which it does after this process used it.
func (c cached) isSuccessorOf(onDisk tokens.Tokens) bool {
	return onDisk.Access == c.saved.Access && (onDisk.Refresh == c.saved.Refresh || onDisk.Refresh.Empty())
}

// unsaved reports whether the tokens would be lost if this process ended now. Tokens that
// differ from those on the disk in times only are not unsaved.
func (c cached) unsaved() bool { return !same(c.Tokens, c.saved) }

// onlyInMemory reports whether the refresh token is in no file. Then no other process
// has it, and none is signed out if this process uses it up.
func (c cached) onlyInMemory(file file) bool {
	saved, _, err := file.Load()
	return c.unsaved() && err == nil && saved.Refresh != c.Refresh || file.Path() == ""
}

// margin is how long before the expiry a refresh begins: a fifth of the lifetime or five
// minutes, whichever is less, ±25 % at random so that processes do not all begin at once.
func margin(t tokens.Tokens) time.Duration {
	fifth := min(t.ExpiresAt.Sub(t.IssuedAt)/5, 5*time.Minute)
	return time.Duration(float64(fifth) * (0.75 + rand.Float64()/2))
}
