package oidc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

const (
	lockPoll     = 5 * time.Millisecond
	lockTurns    = 5                          // polls, for each time that the lock itself is tried
	lockPatience = 2 * domain.ExchangeTimeout // for another process's refresh
	lockQuiet    = time.Second                // a longer wait is logged
	saveTime     = 2 * time.Second            // for another process to save what the domain gave it
	firstPause   = time.Second                // after a failed refresh
	longestPause = time.Minute
	saveAgain    = 30 * time.Second // after a failed save
)

// A pause is the time after a failed refresh in which no other is tried.
type pause struct {
	until    time.Time
	failures int
	problem  *problem.Problem
}

// refreshNow waits until the token with the given fingerprint is replaced: by the
// refresh that is going on, or by a new one. A caller that gives up cancels only
// its own waiting.
func (s *Session) refreshNow(ctx context.Context, replaced string) error {
	s.mu.Lock()
	s.behind.Add(1)
	s.mu.Unlock()
	done := s.refreshes.DoChan("", func() (any, error) { return nil, s.refresh(replaced) })
	select {
	case result := <-done:
		s.behind.Done()
		return result.Err
	case <-ctx.Done():
		go func() { <-done; s.behind.Done() }()
		return problem.From(context.Cause(ctx))
	}
}

// refreshBehind begins a refresh that nobody waits for. s.mu is held.
func (s *Session) refreshBehind() {
	replaced := s.held.fingerprint
	s.behind.Add(1)
	done := s.refreshes.DoChan("", func() (any, error) { return nil, s.refresh(replaced) })
	go func() {
		defer s.behind.Done()
		<-done
	}()
}

// arm sets the clock for a refresh ahead of the expiry. s.mu is held.
func (s *Session) arm() {
	if s.ahead != nil {
		s.ahead.Stop()
		s.ahead = nil
	}
	if !s.renewable() || s.lastUse.IsZero() {
		return
	}
	wait := time.Until(s.held.ExpiresAt.Add(-s.held.margin))
	if wait <= 0 {
		return // the next call sees to it
	}
	s.ahead = time.AfterFunc(wait, s.refreshAhead)
}

// refreshAhead refreshes if someone has been using the session lately.
func (s *Session) refreshAhead() {
	s.mu.Lock()
	changed := s.notice()
	now := time.Now()
	lately := max(3*s.held.margin, 2*time.Minute)
	if s.due(now) && now.Sub(s.lastUse) < lately {
		s.refreshBehind()
	}
	s.mu.Unlock()
	if changed {
		s.onChange(s.Status())
	}
}

// refresh replaces the token with the given fingerprint, unless another process
// has done so. Whoever has the lock reads the file again and decides; new tokens
// are on the disk before the lock is released and before anyone uses them.
func (s *Session) refresh(replaced string) error {
	if p := s.pausing(); p != nil {
		return p
	}
	unlock, done, err := s.lock(context.Background(), func() bool { return s.replacedByOther(replaced) })
	if err != nil {
		return err
	}
	defer unlock()
	if done || s.replacedByOther(replaced) {
		return nil
	}
	s.mu.Lock()
	old := s.held.Tokens
	s.mu.Unlock()
	if old.Refresh.Empty() && !s.config.AuthMethod.Unattended() {
		return s.loginRequired()
	}
	return s.sendRefresh(old)
}

// sendRefresh sends the refresh token, or what else brings new tokens. The lock is
// held.
func (s *Session) sendRefresh(old tokens.Tokens) error {
	if !old.RefreshSentAt.IsZero() {
		s.log.Warn("an earlier refresh had no answer; its refresh token is tried once more", "sentAt", old.RefreshSentAt)
	}
	started := time.Now()
	fresh, outcome, err := s.renew(old)
	switch {
	case err == nil:
		s.log.Info("session refreshed", "expiresAt", fresh.ExpiresAt, "took", time.Since(started))
		s.keep(fresh)
		return nil
	case errors.Is(err, domain.ErrInvalidGrant) && !old.Refresh.Empty():
		return s.ended(old, err)
	case !fresh.Empty(): // a refresh token without a usable access token
		s.keep(fresh)
	}
	p := problem.From(err)
	s.log.Warn("refresh failed", "problem", p, "sent", outcome.Sent, "unknown", outcome.Unknown, "retryAfter", outcome.RetryAfter)
	if outcome.Unknown {
		doubtful := old
		doubtful.RefreshSentAt = started
		s.keep(doubtful)
	}
	s.startPause(p, outcome)
	return p
}

// ended believes the domain that the session is over, unless another process has
// new tokens: then the domain only refused the old one.
func (s *Session) ended(old tokens.Tokens, cause error) error {
	if s.refreshedByOther(old) {
		return nil
	}
	// Without a lock, it may be about to save them.
	for began := time.Now(); s.lockless.Load() && time.Since(began) < saveTime; time.Sleep(lockPoll) {
		if s.refreshedByOther(old) {
			return nil
		}
	}
	s.log.Warn("the domain ended the session", "problem", problem.From(cause))
	// The access token serves as long as it lives.
	old.Refresh, old.RefreshSentAt = secret.Text{}, time.Time{}
	s.keep(old)
	p := s.loginRequired().Because(cause)
	s.mu.Lock()
	s.lastFault = p
	s.mu.Unlock()
	return p
}

// refreshedByOther takes over tokens that another process got with the refresh token
// of the old ones.
func (s *Session) refreshedByOther(old tokens.Tokens) bool {
	fresh, stamp, err := s.file.Load()
	if err != nil || fresh.Refresh.Empty() || !fresh.IssuedAt.After(old.IssuedAt) {
		return false
	}
	s.log.Info("another process has refreshed the session")
	s.mu.Lock()
	s.hold(fresh, stamp)
	s.mu.Unlock()
	return true
}

// keep saves tokens and makes them the current ones. Where they cannot be saved
// they live in memory, which is better than losing them, and are saved later.
// The lock is held.
func (s *Session) keep(tokens tokens.Tokens) {
	stamp, err := s.file.Save(tokens)
	s.mu.Lock()
	if err != nil {
		stamp = s.file.Stamp()
	}
	s.hold(tokens, stamp)
	s.lastFault = nil
	if err != nil {
		s.log.Error("the tokens live in memory only", "problem", problem.From(err))
		s.unsaved = true
		s.lastFault = problem.From(err)
		s.saveAfter = time.Now().Add(saveAgain)
	}
	s.mu.Unlock()
	s.onChange(s.Status())
}

// saveBehind tries again to save what could not be saved. s.mu is held.
func (s *Session) saveBehind() {
	if !s.unsaved || time.Now().Before(s.saveAfter) {
		return
	}
	s.saveAfter = time.Now().Add(saveAgain)
	s.behind.Add(1)
	go func() {
		defer s.behind.Done()
		if unlock, _, err := s.lock(context.Background(), nil); err == nil {
			defer unlock()
			s.mu.Lock()
			tokens, unsaved := s.held.Tokens, s.unsaved
			s.mu.Unlock()
			if unsaved {
				s.keep(tokens)
			}
		}
	}()
}

// reformBehind has the file written in the form that the configuration wants, once in
// a process: two configurations that want different ones do not quarrel for ever. s.mu
// is held.
func (s *Session) reformBehind() {
	if s.reformed || !s.held.stamp.OtherForm() {
		return
	}
	s.reformed = true
	s.behind.Add(1)
	go func() {
		defer s.behind.Done()
		unlock, _, err := s.lock(context.Background(), nil)
		if err != nil {
			return
		}
		defer unlock()
		s.mu.Lock()
		s.notice() // what the lock was waited for
		tokens, other := s.held.Tokens, s.held.stamp.OtherForm()
		s.mu.Unlock()
		if !other {
			return
		}
		stamp, err := s.file.Save(tokens)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.log.Warn("the saved tokens stay in their form", "problem", problem.From(err))
			s.lastFault = problem.From(err)
			return
		}
		s.held.stamp = stamp
		s.log.Info("the saved tokens are in their new form", "store", s.config.TokenStore)
	}()
}

// replacedByOther reads the file again and reports whether it now holds a valid
// token other than the replaced one.
func (s *Session) replacedByOther(replaced string) bool {
	s.mu.Lock()
	changed := s.notice()
	now := time.Now()
	done := s.held.usable(now) && s.held.fingerprint != replaced && !s.due(now)
	s.mu.Unlock()
	if changed {
		s.onChange(s.Status())
	}
	return done
}

// lock waits for the lock across processes, but no longer than until enough (if
// not nil) is true: then done is true and nothing is locked. Where no lock can be
// had at all, such as below a read-only home, it goes on without one.
func (s *Session) lock(ctx context.Context, enough func() bool) (unlock func(), done bool, err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, false, problem.From(context.Cause(ctx))
	}
	pass := func() { <-s.turn }
	unlockFile, done, err := s.lockFile(ctx, enough)
	if err != nil || done {
		pass()
		return func() {}, done, err
	}
	return func() { unlockFile(); pass() }, false, nil
}

func (s *Session) lockFile(ctx context.Context, enough func() bool) (unlock func(), done bool, err error) {
	started, logged := time.Now(), false
	for turn := 0; ; turn++ {
		// Nearly always the other process brings what is waited for: to look for that is
		// much cheaper, and many may be waiting.
		if enough == nil || turn%lockTurns == 0 {
			unlock, ok, err := s.file.TryLock()
			if err != nil {
				s.log.Warn("going on without the lock", "problem", problem.From(err))
				s.lockless.Store(true)
				return func() {}, false, nil
			}
			if ok {
				return unlock, false, nil
			}
		}
		waited := time.Since(started)
		if waited > lockQuiet && !logged {
			s.log.Info("waiting for another process that has the session's lock", "file", s.file.Path())
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
		if enough != nil && enough() {
			return func() {}, true, nil
		}
	}
}

// pausing returns the last problem while no refresh may be tried.
func (s *Session) pausing() *problem.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(s.pause.until) {
		return s.pause.problem
	}
	return nil
}

// startPause begins the time without refreshes after a failed one: longer after
// each failure, not the same for all, and as long as the domain asked. What the
// person must correct is short, and what was not even sent has none, so that the
// correction is noticed.
func (s *Session) startPause(p *problem.Problem, o domain.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastFault = p
	if p.Kind == problem.Config && !o.Sent {
		return
	}
	failures := s.pause.failures
	wait := min(firstPause<<min(failures, 10), longestPause)
	if !p.Retryable {
		wait = min(wait, 4*firstPause)
	}
	wait = wait/2 + rand.N(wait)
	s.pause = pause{until: time.Now().Add(max(wait, min(o.RetryAfter, 10*longestPause))), failures: failures + 1, problem: p}
}
