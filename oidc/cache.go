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
	lockPoll     = 5 * time.Millisecond
	lockTurns    = 5                          // polls, for each time that the lock itself is tried
	lockPatience = 2 * domain.ExchangeTimeout // for another process's refresh
	lockQuiet    = time.Second                // a longer wait is logged
)

// A cache is the tokens of a session in the memory of this process, and in the file
// that all processes share. They are written in one way only, [cache.update]: lock, read
// the file again, decide, save. So nothing that another process saved is overwritten
// unseen, and a sign-out elsewhere is one here.
type cache struct {
	file    file
	log     *slog.Logger
	changed func() // called without locks held when there are other tokens

	updating chan struct{} // serialises updates in this process; the file lock may be unavailable
	lockless atomic.Bool   // the file lock was unavailable

	mu   sync.Mutex
	held cached
}

// A file is what the cache needs of a [tokens.File]. Save and Erase belong under its lock.
type file interface {
	Path() string
	Stamp() tokens.Stamp
	Load() (tokens.Tokens, tokens.Stamp, error)
	TryLock() (unlock func(), ok bool, err error)
	Reserve() (room, error)
	Save(tokens.Tokens) (tokens.Stamp, error)
	Erase() error
}

// A room is what the cache needs of a [tokens.Room].
type room interface {
	Save(tokens.Tokens) (tokens.Stamp, error)
	Release()
}

// tokensFile is a [tokens.File] as a file.
type tokensFile struct{ *tokens.File }

func (f tokensFile) Reserve() (room, error) {
	r, err := f.File.Reserve()
	if err != nil {
		return nil, err // and no room that holds nil
	}
	return r, nil
}

// cached are the tokens in memory, and what is known of the file.
type cached struct {
	tokens.Tokens
	fingerprint string        // of the access token
	margin      time.Duration // before the expiry, in which a refresh begins

	stamp    tokens.Stamp  // of the file when it was last read or written
	unsaved  bool          // these tokens, or what is noted of them, could not be written
	replaces tokens.Tokens // what the file held then
	withheld bool          // the file has tokens that this process may not have
	problem  *problem.Problem
}

func newCache(file file, log *slog.Logger) *cache {
	return &cache{file: file, log: log, changed: func() {}, updating: make(chan struct{}, 1)}
}

// get returns the tokens in memory.
func (c *cache) get() cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// look returns the tokens, read again where another process has written them: at the
// cost of one stat.
func (c *cache) look() cached { return c.read(false) }

// read returns the tokens, read again in any case with fresh.
func (c *cache) read(fresh bool) cached {
	c.mu.Lock()
	before := c.held
	if fresh || !c.file.Stamp().Same(before.stamp) {
		c.held = before.merged(c.file.Load())
		if p := c.held.problem; p != nil && (before.problem == nil || before.problem.Message != p.Message) { // which may be asked often
			c.log.Warn("the saved tokens are not used", "problem", p)
		}
	}
	now := c.held
	c.mu.Unlock()
	if now.fingerprint != before.fingerprint {
		c.changed()
	}
	return now
}

// merged is what the tokens in memory become when the file was read. They give way to
// nothing but other tokens or a sign-out: a disk that fails for a moment, or a file that
// was damaged, ends no session.
func (c cached) merged(t tokens.Tokens, stamp tokens.Stamp, err error) cached {
	if err == nil {
		// Only the successor of what the file still holds stays in memory.
		theirs := tokensOf(t, stamp)
		if c.unsaved && c.succeeds(t) && (!t.Empty() || c.stamp.Same(stamp)) {
			c.stamp = stamp
			return c
		}
		if theirs.fingerprint == c.fingerprint {
			theirs.margin = c.margin
		}
		return theirs
	}
	p := problem.From(err)
	switch {
	case tokens.Newer(err):
		c = tokensOf(tokens.Tokens{}, stamp)
		c.withheld = true
	case tokens.Damaged(err):
		c.stamp = stamp
		c.unsaved = !c.Empty() // and so written again
		c.replaces = tokens.Tokens{}
	case tokens.KeyLost(err):
		c.stamp, c.withheld = stamp, true
	case tokens.KeyringFault(err):
		c.withheld = true // and asked again
	}
	c.problem = p
	return c
}

func tokensOf(t tokens.Tokens, stamp tokens.Stamp) cached {
	c := cached{Tokens: t, stamp: stamp, margin: margin(t)}
	if !t.Access.Empty() {
		c.fingerprint = t.Access.Fingerprint()
	}
	return c
}

// update is the only way in which tokens are written: under the lock, with what the
// file holds then. It waits for the lock no longer than until enough (if not nil) is
// true, and then does nothing.
func (c *cache) update(ctx context.Context, enough func(cached) bool, decide func(now cached, w *writer) error) error {
	unlock, done, err := c.lock(ctx, enough)
	if err != nil || done {
		return err
	}
	defer unlock()
	now := c.read(true)
	if enough != nil && enough(now) {
		return nil
	}
	w := &writer{cache: c}
	defer w.release()
	return decide(now, w)
}

// A writer writes tokens while the lock is held.
type writer struct {
	cache *cache
	room  room
}

// reserve makes certain that other tokens can be saved.
func (w *writer) reserve() (err error) {
	w.room, err = w.cache.file.Reserve()
	return err
}

func (w *writer) release() {
	if w.room != nil {
		w.room.Release()
	}
}

// save saves tokens and makes them the current ones. Where they cannot be saved, or what
// is noted of them, that lives in memory, and the error is returned.
func (w *writer) save(t tokens.Tokens) (err error) {
	c := w.cache
	var stamp tokens.Stamp
	if w.room != nil {
		stamp, err = w.room.Save(t)
		w.room = nil
	} else {
		stamp, err = c.file.Save(t)
	}
	next := tokensOf(t, stamp)
	if err != nil {
		next = tokensOf(t, c.file.Stamp())
		next.unsaved = true
		next.replaces, _, _ = c.file.Load()
		if next.atRisk() {
			next.problem = problem.From(err)
		}
		c.log.Error("saving failed", "problem", problem.From(err), "onlyInMemory", next.atRisk())
	}
	w.set(next)
	return err
}

// erase removes the file. Its error may be about the key of the file, which then is
// gone all the same.
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
	c.held = next
	c.mu.Unlock()
	c.changed()
}

// lock waits for the lock across processes, but no longer than until enough (if not nil)
// is true: then done is true and nothing is locked. Where no lock can be had at all, such
// as below a read-only home, it goes on without one.
func (c *cache) lock(ctx context.Context, enough func(cached) bool) (unlock func(), done bool, err error) {
	select {
	case c.updating <- struct{}{}: // where it is free, that is no waiting
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
	for turn := 0; ; turn++ {
		// Nearly always the other process brings what is waited for: to look for that is
		// much cheaper, and many may be waiting.
		if enough == nil || turn%lockTurns == 0 {
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
		if waited > lockQuiet && !logged {
			c.log.Info("waiting for another process that has the session's lock", "file", c.file.Path())
			logged = true
		}
		if waited > lockPatience {
			return nil, false, problem.New(problem.Store,
				fmt.Sprintf("Another process has kept the session's lock for %s.", lockPatience),
				"End other oci-oidc-helper processes that hang, then try again.").Passing()
		}
		select {
		case <-ctx.Done():
			return nil, false, problem.From(context.Cause(ctx))
		case <-time.After(lockPoll/2 + rand.N(lockPoll)):
		}
		// Before the lock is free, so that many who wait need not take turns.
		if enough != nil && enough(c.look()) {
			return nil, true, nil
		}
	}
}

func (c cached) token() Token {
	return Token{Access: c.Access, Type: c.Type, ExpiresAt: c.ExpiresAt}
}

// same reports whether two tokens differ in nothing but what is noted of them.
func same(a, b tokens.Tokens) bool { return a.Access == b.Access && a.Refresh == b.Refresh }

// succeeds reports whether the unsaved tokens come after those that the file has now. The
// domain may have refused the used refresh token to another process meanwhile, which then
// left it out of the file.
func (c cached) succeeds(onDisk tokens.Tokens) bool {
	refused := onDisk.Refresh.Empty() && c.atRisk()
	return onDisk.Access == c.replaces.Access && (onDisk.Refresh == c.replaces.Refresh || refused)
}

// atRisk reports whether the tokens would be lost with this process.
func (c cached) atRisk() bool { return c.unsaved && !same(c.Tokens, c.replaces) }

// usable reports whether the access token is still good when a request that leaves now
// arrives.
func (c cached) usable(now time.Time) bool {
	onTheWay := min(c.ExpiresAt.Sub(c.IssuedAt)/20, 10*time.Second)
	return !c.Access.Empty() && now.Before(c.ExpiresAt.Add(-onTheWay))
}

// early reports whether the tokens are of a time to come: the clock was set back.
func (c cached) early(now time.Time) bool {
	const tolerance = time.Minute
	return now.Before(c.IssuedAt.Add(-tolerance))
}

// onlyInMemory reports whether no file holds the refresh token, so that nobody else
// loses it when it is spent.
func (c cached) onlyInMemory(file file) bool {
	saved, _, err := file.Load()
	return c.unsaved && err == nil && saved.Refresh != c.Refresh || file.Path() == ""
}

// margin is how long before the expiry a refresh begins: a fifth of the lifetime, five
// minutes at most, and not the same for all.
func margin(t tokens.Tokens) time.Duration {
	fifth := min(t.ExpiresAt.Sub(t.IssuedAt)/5, 5*time.Minute)
	return time.Duration(float64(fifth) * (0.75 + rand.Float64()/2))
}
