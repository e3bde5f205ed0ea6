// This file has the rules for tokens that the endpoint rejects:
//   - A rejected token is refreshed (Token), and is not lent meanwhile.
//   - A token that replaced a rejected one and is rejected less than justIssued after it was
//     issued is not refreshed: the endpoint wants another scope or audience.
//   - A token in doubt, which may have been refused for another reason, is refreshed once
//     (Another). It stays valid.
//   - A rejection ends when the endpoint accepts the token after all (Served).

package oidc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
)

const justIssued = time.Minute

// rejections remembers, by their fingerprints, the last token that the endpoint rejected and
// the last one that was fetched because another was rejected or in doubt.
type rejections struct {
	mu          sync.Mutex
	token       string
	at          time.Time // when the endpoint rejected token
	replacement string
}

// note records that the endpoint rejected a token, and reports whether another refresh would
// not help.
func (r *rejections) note(token cached, now time.Time) (again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.token, r.at = token.fingerprint, now
	return r.token == r.replacement && now.Sub(token.IssuedAt).Abs() < justIssued
}

func (r *rejections) has(fingerprint string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.token == fingerprint
}

func (r *rejections) isReplacement(fingerprint string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.replacement == fingerprint
}

func (r *rejections) setReplacement(fingerprint string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.replacement = fingerprint
}

// afterRefresh returns the token in memory after a refresh, or its fingerprint if it has
// expired too and must be replaced again. If it is the rejected token, it returns an error:
// some domains issue the same access token until it expires.
func (s *Session) afterRefresh(rejected string) (token Token, toReplace string, err error) {
	current := s.cache.get()
	if !current.Usable(time.Now()) {
		return Token{}, current.fingerprint, nil
	}
	if rejected != "" {
		s.rejections.setReplacement(current.fingerprint)
	}
	if current.fingerprint == rejected {
		return Token{}, rejected, s.rejectedAgain(current, "hands out again and again until it ends")
	}
	return current.token(), "", nil
}

// Another returns a different token than the one with the fingerprint doubted. A token
// is in doubt when the endpoint refused a request that used it, but not necessarily
// because of the token (a 403, say).
//
// Another returns the zero Token and no error if it has no different one. The token in
// doubt stays valid. Another refreshes it once; if the endpoint refuses a request with
// the new token too, that one is not refreshed.
func (s *Session) Another(ctx context.Context, doubted string) (Token, error) {
	current := s.cache.latest()
	if !current.Usable(time.Now()) || current.fingerprint != doubted {
		return s.Token(ctx, "")
	}
	if s.rejections.isReplacement(doubted) || !s.refreshable(current) || !current.RefreshSentAt.IsZero() {
		return Token{}, nil
	}
	if err := s.refreshNow(ctx, doubted); err != nil {
		return Token{}, err
	}
	current = s.cache.get()
	s.rejections.setReplacement(current.fingerprint)
	if !current.Usable(time.Now()) || current.fingerprint == doubted {
		return Token{}, nil
	}
	return current.token(), nil
}

// Served records that the endpoint accepted the token with this fingerprint at the given
// time. A rejection before that time no longer counts. Served returns false if the
// endpoint rejected the token after that time, and true otherwise.
func (s *Session) Served(fingerprint string, at time.Time) bool {
	r := &s.rejections
	r.mu.Lock()
	defer r.mu.Unlock()
	if fingerprint == r.token && at.After(r.at) {
		r.token = ""
	}
	return fingerprint != r.token
}

// rejectedAgain is the problem of a rejected token that no refresh can replace. issued ends its
// sentence "The endpoint rejects a token that the domain …".
func (s *Session) rejectedAgain(current cached, issued string) *problem.Problem {
	hint := "Check " + s.config.ScopeKey() + ": it must name the scope of the endpoint's own resource application, audience and scope name written together."
	if facts, ok := idtoken.Describe(current.Access); ok && len(facts.Audience) > 0 {
		hint += fmt.Sprintf(" The token's audience is %s.", lenient.Printable(fmt.Sprint(facts.Audience), 200))
	}
	if skew := s.domain.ClockSkew(); skew.Abs() > 2*time.Minute {
		hint = fmt.Sprintf("This machine's clock differs from the domain's by %s; correct it.", skew.Abs().Round(time.Second))
	}
	return problem.New(problem.Config, fmt.Sprintf("The endpoint %s rejects a token that %s %s.",
		s.config.BaseURL, s.domain.Host(), issued), hint)
}
