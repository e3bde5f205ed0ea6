// This file makes a refresh. session.go decides whether one is needed (ready and due; life.go
// for programs that keep the token), and cache.go how long before the expiry (margin).

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
	saveTime     = 2 * time.Second  // how long saving tokens may take, here or in another process
	firstPause   = time.Second      // after the first failed refresh; doubled after each further one
	longestPause = time.Minute      // however many refreshes have failed
	longestRetry = 10 * time.Minute // a longer Retry-After is cut to this
	saveRetry    = 30 * time.Second // between two attempts to save tokens in the background
)

// A pause is the time after a failed refresh in which this process tries no other one.
type pause struct {
	replacing string // fingerprint of the access token that the refresh was to replace
	until     time.Time
	failures  int
	problem   *problem.Problem
}

// refreshNow waits until the token with the given fingerprint has been replaced. It joins
// the refresh in progress, or starts one. If ctx ends, refreshNow returns, and the
// refresh goes on.
func (s *Session) refreshNow(ctx context.Context, replaced string) error {
	s.mu.Lock()
	done := s.refreshInBackground(replaced)
	s.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return problem.From(context.Cause(ctx))
	}
}

// refreshInBackground starts a refresh, or joins that of the same token. The channel
// receives its error, or nil. After Close nothing starts: nobody would wait until the new
// tokens are saved. The caller holds s.mu.
func (s *Session) refreshInBackground(replaced string) <-chan error {
	ended := make(chan error, 1)
	if err := s.untilClose.Err(); err != nil {
		ended <- problem.From(err)
		return ended
	}
	s.background.Go(func() {
		_, err, _ := s.refreshes.Do(replaced, func() (any, error) { return nil, s.refresh(replaced) })
		ended <- err
	})
	return ended
}

// setRefreshTimer sets the timer for the refresh before the expiry. The caller holds s.mu.
func (s *Session) setRefreshTimer(current cached) {
	if s.refreshTimer != nil {
		s.refreshTimer.Stop()
		s.refreshTimer = nil
	}
	if !s.refreshable(current) || s.lastUse.IsZero() || s.untilClose.Err() != nil {
		return
	}
	wait := time.Until(current.ExpiresAt.Add(-current.margin))
	if wait <= 0 {
		return // the next call of Token or Ready starts the refresh
	}
	s.refreshTimer = time.AfterFunc(wait, s.refreshAhead)
}

// refreshAhead refreshes the token before it expires, if a caller has asked for a token
// recently.
func (s *Session) refreshAhead() {
	current, now := s.cache.latest(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	lately := max(3*current.margin, 2*time.Minute)
	if s.due(current, now) && now.Sub(s.lastUse) < lately {
		s.refreshInBackground(current.fingerprint)
	}
}

// refresh replaces the token with the given fingerprint, unless another process has
// replaced it. New tokens are on the disk before the lock is released and before anyone
// uses them.
func (s *Session) refresh(replaced string) error {
	if current := s.cache.get(); s.cache.gone(current) && !s.config.AuthMethod.Unattended() {
		if current.Refresh.Empty() {
			return s.loginRequired(current)
		}
		p := problem.New(problem.Store,
			fmt.Sprintf("The saved tokens %s are gone, together with their directory. The session was not refreshed.", s.file.Path()),
			`If they are on a disk that is not there now, such as a server's, bring it back. Otherwise sign in again: /connect in OpenCode, or "oci-oidc-helper connect" at a prompt.`)
		s.startPause(current, p, domain.Outcome{})
		return p
	}
	return s.cache.update(s.untilClose, func(current cached) bool { return s.replacedByOther(current, replaced) }, func(current cached, w *writer) error {
		if p := s.pausingNow(current); p != nil {
			return p
		}
		if current.Refresh.Empty() && !s.config.AuthMethod.Unattended() {
			return s.loginRequired(current)
		}
		return s.sendRefresh(current, w)
	})
}

// sendRefresh requests new tokens, with the refresh token or with client credentials. A
// refresh token can be used once, so it is not sent before it is certain that the next
// one can be saved. The exception is a refresh token that is in no file: no other process
// depends on it.
func (s *Session) sendRefresh(current cached, w *writer) error {
	old := current.Tokens
	if err := w.reserve(false); err != nil && !old.Refresh.Empty() && !current.onlyInMemory(s.cache.file) {
		p := *problem.From(err)
		why := map[bool]string{false: "the new tokens would be lost", true: "another process may have done so"}[current.behind]
		p.Message += " The session was not refreshed, because " + why + "."
		p.Hint += " Your session is kept until then."
		s.startPause(current, &p, domain.Outcome{})
		return &p
	}
	if !old.RefreshSentAt.IsZero() {
		s.log.Warn("an earlier refresh had no usable answer; its refresh token is tried once more", "sentAt", old.RefreshSentAt)
	}
	started := time.Now().Round(0)
	fresh, outcome, err := s.requestTokens(old)
	switch {
	case err == nil:
		s.log.Info("session refreshed", "expiresAt", fresh.ExpiresAt, "took", time.Since(started))
		_ = w.save(fresh) // if that fails, the tokens are in memory, and Unsaved returns the error
		return nil
	case errors.Is(err, domain.ErrInvalidGrant) && !old.Refresh.Empty():
		return s.ended(current, w, err)
	case !fresh.Empty(): // a refresh token without a usable access token
		_ = w.save(fresh)
	default:
		noted := old
		if outcome.Unknown && !old.Refresh.Empty() {
			noted.RefreshSentAt = started
		}
		if outcome.RetryAfter > 0 { // saved, because it applies to every process
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

// ended handles invalid_grant: the session is over, unless another process has used the
// refresh token and saved new tokens. Then the domain refused only the old one.
func (s *Session) ended(current cached, w *writer, cause error) error {
	refreshedByOther := func() bool {
		saved := s.cache.read(true)
		return !saved.Refresh.Empty() && saved.Refresh != current.Refresh
	}
	if refreshedByOther() {
		return nil
	}
	// If file locks are unavailable, the other process may still be saving them.
	for began := time.Now(); s.cache.lockless.Load() && time.Since(began) < saveTime; time.Sleep(lockPoll) {
		if refreshedByOther() {
			return nil
		}
	}
	s.log.Warn("the domain ended the session", "problem", problem.From(cause))
	// The access token stays: it is valid until it expires.
	old := current.Tokens
	old.Refresh, old.RefreshSentAt, old.End = secret.Text{}, time.Time{}, tokens.End{}
	_ = w.save(old)
	p := s.loginRequired(cached{}).Because(cause)
	s.mu.Lock()
	s.lastProblem, s.lastProblemToken = p, current.fingerprint
	s.mu.Unlock()
	return p
}

// rewriteInBackground saves tokens that could not be saved before, or that are in the
// file in another form (plain or encrypted) than the configuration asks for. It changes
// the form once in each process, so that two processes whose configurations differ do not
// rewrite each other's file for ever. The caller holds s.mu.
func (s *Session) rewriteInBackground(current cached) {
	onDisk := current.Tokens == current.saved // and at most their form is wrong
	if onDisk && !current.stamp.OtherForm() || time.Now().Before(s.nextRewrite) || s.untilClose.Err() != nil {
		return
	}
	s.nextRewrite = time.Now().Add(saveRetry)
	if onDisk {
		s.nextRewrite = time.Now().Add(24 * 365 * time.Hour) // not again in this process
	}
	s.background.Go(func() { s.rewrite(s.untilClose) })
}

// rewrite saves the tokens if the file still holds others, or has the other form.
func (s *Session) rewrite(ctx context.Context) {
	if s.cache.gone(s.cache.get()) {
		return
	}
	_ = s.cache.update(ctx, nil, func(current cached, w *writer) error {
		if !current.behind && (current.Tokens != current.saved || current.stamp.OtherForm()) {
			_ = w.save(current.Tokens)
		}
		return nil
	})
}

// replacedByOther reports whether current is a valid token that is not due for a refresh
// and whose fingerprint is not replaced.
func (s *Session) replacedByOther(current cached, replaced string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	return current.Usable(now) && current.fingerprint != replaced && !s.due(current, now)
}

// pausingNow is pausing for a caller that does not hold s.mu.
func (s *Session) pausingNow(current cached) *problem.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pausing(current)
}

// pausing returns why no refresh may be sent now, or nil: the problem of this process's
// last refresh, or the Retry-After that the domain sent to any process. The caller holds
// s.mu.
func (s *Session) pausing(current cached) *problem.Problem {
	now := time.Now()
	if s.pause.replacing == current.fingerprint && now.Before(s.pause.until) {
		return s.pause.problem
	}
	// RetryAt was at most longestRetry ahead when it was saved. If it is further ahead
	// now, the clock was set back, and RetryAt means nothing.
	if left := current.RetryAt.Sub(now); 0 < left && left <= longestRetry {
		return problem.New(problem.Throttled,
			fmt.Sprintf("%s wants no request for new tokens before %s (Retry-After).", s.domain.Host(), current.RetryAt.Local().Format("15:04:05")),
			"Try again then.").Passing()
	}
	return nil
}

// startPause begins the pause after a failed refresh. It doubles with each failure, is
// randomised by ±50 %, and lasts at least as long as Retry-After asks. After a problem
// that the person must correct, the pause is short, and if nothing was sent because of
// the configuration or the disk, there is none, so that the correction takes effect soon.
func (s *Session) startPause(current cached, p *problem.Problem, o domain.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastProblem, s.lastProblemToken = p, current.fingerprint
	if !o.Sent && (p.Kind == problem.Config || p.Kind == problem.Store) {
		return
	}
	failures := 0
	if s.pause.replacing == current.fingerprint {
		failures = s.pause.failures
	}
	wait := min(firstPause<<min(failures, 10), longestPause)
	if !p.Retryable {
		wait = min(wait, 4*firstPause)
	}
	wait = wait/2 + rand.N(wait)
	s.pause = pause{replacing: current.fingerprint, until: time.Now().Add(max(wait, min(o.RetryAfter, longestRetry))), failures: failures + 1, problem: p}
}

// requestTokens requests new tokens without a person: with client credentials or the refresh
// token. The request does not end with any caller's context, because a refresh token
// whose answer is not read is lost.
func (s *Session) requestTokens(old tokens.Tokens) (tokens.Tokens, domain.Outcome, error) {
	if s.config.AuthMethod.Unattended() {
		return s.domain.ClientCredentials(context.Background())
	}
	return s.domain.Refresh(context.Background(), old)
}

// refreshable reports whether new tokens can be requested without a person.
func (s *Session) refreshable(current cached) bool {
	return s.config.AuthMethod.Unattended() || !current.Refresh.Empty()
}
