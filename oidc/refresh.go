// This file makes a refresh. session.go decides whether one is needed (ready and due), and
// cache.go how long before the expiry it begins (margin).

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
	saveTime     = 2 * time.Second // for another process to save what the domain gave it
	firstPause   = time.Second     // after a failed refresh
	longestPause = time.Minute
	longestRetry = 10 * time.Minute // that a domain may ask for
	saveAgain    = 30 * time.Second // after a failed save
)

// A pause is the time after a failed refresh in which no other is tried.
type pause struct {
	of       string // fingerprint of the access token that was to be replaced
	until    time.Time
	failures int
	problem  *problem.Problem
}

// refreshNow waits until the token with the given fingerprint is replaced: by the
// refresh that is going on, or by a new one. A caller that gives up cancels only
// its own waiting.
func (s *Session) refreshNow(ctx context.Context, replaced string) error {
	done := s.refreshInBackground(replaced)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return problem.From(context.Cause(ctx))
	}
}

// refreshInBackground begins a refresh. Its end arrives on the channel.
func (s *Session) refreshInBackground(replaced string) <-chan error {
	ended := make(chan error, 1)
	s.background.Add(1)
	done := s.refreshes.DoChan("", func() (any, error) { return nil, s.refresh(replaced) })
	go func() {
		defer s.background.Done()
		ended <- (<-done).Err
	}()
	return ended
}

// arm sets the clock for a refresh ahead of the expiry. s.mu is held.
func (s *Session) arm(now cached) {
	if s.ahead != nil {
		s.ahead.Stop()
		s.ahead = nil
	}
	if !s.renewable(now) || s.lastUse.IsZero() || s.open.Err() != nil {
		return
	}
	wait := time.Until(now.ExpiresAt.Add(-now.margin))
	if wait <= 0 {
		return // the next call sees to it
	}
	s.ahead = time.AfterFunc(wait, s.refreshAhead)
}

// refreshAhead refreshes if someone has been using the session lately.
func (s *Session) refreshAhead() {
	now, clock := s.cache.look(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	lately := max(3*now.margin, 2*time.Minute)
	if s.open.Err() == nil && s.due(now, clock) && clock.Sub(s.lastUse) < lately {
		s.refreshInBackground(now.fingerprint)
	}
}

// refresh replaces the token with the given fingerprint, unless another process
// has done so. Whoever has the lock reads the file again and decides; new tokens
// are on the disk before the lock is released and before anyone uses them.
func (s *Session) refresh(replaced string) error {
	return s.cache.update(s.open, func(now cached) bool { return s.replacedByOther(now, replaced) }, func(now cached, w *writer) error {
		if p := s.pausingNow(now); p != nil {
			return p
		}
		if now.Refresh.Empty() && !s.config.AuthMethod.Unattended() {
			return loginRequired(now)
		}
		return s.sendRefresh(now, w)
	})
}

// sendRefresh sends the refresh token, or what else brings new tokens. A refresh token
// serves once: it is not sent before it is certain that its successor can be saved.
// Tokens that no file holds are this process's own affair.
func (s *Session) sendRefresh(now cached, w *writer) error {
	old := now.Tokens
	if err := w.reserve(); err != nil && !old.Refresh.Empty() && !now.onlyInMemory(s.cache.file) {
		p := problem.From(err)
		p.Message += " The session was not refreshed, because the new tokens would be lost."
		p.Hint = "Make room on the disk, the directory writable, or the keyring available; your session is kept until then."
		s.startPause(now, p, domain.Outcome{})
		return p
	}
	if !old.RefreshSentAt.IsZero() {
		s.log.Warn("an earlier refresh had no answer; its refresh token is tried once more", "sentAt", old.RefreshSentAt)
	}
	started := time.Now().Round(0)
	fresh, outcome, err := s.renew(old)
	switch {
	case err == nil:
		s.log.Info("session refreshed", "expiresAt", fresh.ExpiresAt, "took", time.Since(started))
		_ = w.save(fresh) // or in memory, which Unsaved tells
		return nil
	case errors.Is(err, domain.ErrInvalidGrant) && !old.Refresh.Empty():
		return s.ended(now, w, err)
	case !fresh.Empty(): // a refresh token without a usable access token
		_ = w.save(fresh)
	default:
		noted := old
		if outcome.Unknown && !old.Refresh.Empty() {
			noted.RefreshSentAt = started
		}
		if outcome.RetryAfter > 0 { // which is meant for every process
			noted.RetryAt = time.Now().Round(0).Add(min(outcome.RetryAfter, longestRetry))
		}
		if noted != old {
			_ = w.save(noted)
		}
	}
	p := problem.From(err)
	s.log.Warn("refresh failed", "problem", p, "sent", outcome.Sent, "unknown", outcome.Unknown, "retryAfter", outcome.RetryAfter)
	s.startPause(s.cache.get(), p, outcome)
	return p
}

// ended believes the domain that the session is over, unless another process has
// new tokens: then the domain only refused the old one.
func (s *Session) ended(now cached, w *writer, cause error) error {
	refreshedByOther := func() bool {
		saved := s.cache.read(true)
		return !saved.Refresh.Empty() && saved.Refresh != now.Refresh
	}
	if refreshedByOther() {
		return nil
	}
	// Without a lock, it may be about to save them.
	for began := time.Now(); s.cache.lockless.Load() && time.Since(began) < saveTime; time.Sleep(lockPoll) {
		if refreshedByOther() {
			return nil
		}
	}
	s.log.Warn("the domain ended the session", "problem", problem.From(cause))
	// The access token serves as long as it lives.
	old := now.Tokens
	old.Refresh, old.RefreshSentAt = secret.Text{}, time.Time{}
	_ = w.save(old)
	p := loginRequired(cached{}).Because(cause)
	s.mu.Lock()
	s.trouble, s.troubleOf = p, now.fingerprint
	s.mu.Unlock()
	return p
}

// rewriteInBackground writes tokens again that could not be saved, or that the file
// holds in another form than the configuration wants: the latter once in a process, so
// that two configurations that want different ones do not quarrel for ever. s.mu is
// held.
func (s *Session) rewriteInBackground(now cached) {
	if !now.unsaved && !now.stamp.OtherForm() || time.Now().Before(s.rewriteAt) {
		return
	}
	s.rewriteAt = time.Now().Add(saveAgain)
	if !now.unsaved {
		s.rewriteAt = time.Now().Add(24 * 365 * time.Hour)
	}
	s.background.Go(func() { s.rewrite(s.open) })
}

// rewrite writes the tokens again, if that is still to be done.
func (s *Session) rewrite(ctx context.Context) {
	_ = s.cache.update(ctx, nil, func(now cached, w *writer) error {
		if now.unsaved || now.stamp.OtherForm() {
			_ = w.save(now.Tokens)
		}
		return nil
	})
}

// replacedByOther reports whether there is a valid token other than the replaced one.
func (s *Session) replacedByOther(now cached, replaced string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := time.Now()
	return now.usable(clock) && now.fingerprint != replaced && !s.due(now, clock)
}

func (s *Session) pausingNow(now cached) *problem.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pausing(now)
}

// pausing returns why no refresh may be tried now, or nil: the last problem of this
// process, or what the domain told another one. s.mu is held.
func (s *Session) pausing(now cached) *problem.Problem {
	clock := time.Now()
	if s.pause.of == now.fingerprint && clock.Before(s.pause.until) {
		return s.pause.problem
	}
	// A longer wait is that of a clock that was set back.
	if left := now.RetryAt.Sub(clock); 0 < left && left <= longestRetry {
		return problem.New(problem.Throttled,
			fmt.Sprintf("%s wants no request for new tokens before %s (Retry-After).", s.domain.Host(), now.RetryAt.Local().Format("15:04:05")),
			"Try again then.").Passing()
	}
	return nil
}

// startPause begins the time without refreshes after a failed one: longer after
// each failure, not the same for all, and as long as the domain asked. What the
// person must correct is short, and what was not even sent has none, so that the
// correction is noticed.
func (s *Session) startPause(now cached, p *problem.Problem, o domain.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble, s.troubleOf = p, now.fingerprint
	if !o.Sent && (p.Kind == problem.Config || p.Kind == problem.Store) {
		return
	}
	failures := 0
	if s.pause.of == now.fingerprint {
		failures = s.pause.failures
	}
	wait := min(firstPause<<min(failures, 10), longestPause)
	if !p.Retryable {
		wait = min(wait, 4*firstPause)
	}
	wait = wait/2 + rand.N(wait)
	s.pause = pause{of: now.fingerprint, until: time.Now().Add(max(wait, min(o.RetryAfter, longestRetry))), failures: failures + 1, problem: p}
}

// renew gets new tokens without a person.
func (s *Session) renew(old tokens.Tokens) (tokens.Tokens, domain.Outcome, error) {
	if s.config.AuthMethod.Unattended() {
		return s.domain.ClientCredentials(context.Background())
	}
	return s.domain.Refresh(context.Background(), old)
}

// renewable reports whether new tokens can be had without a person.
func (s *Session) renewable(now cached) bool {
	return s.config.AuthMethod.Unattended() || !now.Refresh.Empty()
}
