package oidc

import (
	"time"
)

const (
	// lendFor is the longest time for which a token is lent: a borrower that cannot
	// be told of a sign-out notices it then.
	lendFor = 5 * time.Minute
	// lendStep makes the ends of many lends one, and so their replies the same bytes.
	lendStep = 30 * time.Second
	// lendLook is how often the file is looked at while a token is lent, because a
	// borrower does not ask and so does not notice what other processes write.
	lendLook = 3 * time.Second
)

// Lend returns the time until which whoever got the token may use it without
// asking again, by the wall clock, or the zero time if it must ask each time.
// Until then the function set with [Session.OnChange] is called within seconds of
// a change by another process, too: the token is to be given back then.
//
// The time ends before the expiry, but after a refresh ahead has begun, so that
// its outcome is there in time.
func (s *Session) Lend(token Token) time.Time {
	held, now := s.cache.get(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	until := now.Add(lendFor).Truncate(lendStep)
	if end := held.ExpiresAt.Add(-held.margin / 2); end.Before(until) {
		until = end
	}
	if s.open.Err() != nil || token.Access != held.Access || held.fingerprint == s.rejected || held.early(now) || !now.Before(until) {
		return time.Time{}
	}
	s.leasedUntil = until
	if s.watch == nil {
		s.watch = time.AfterFunc(lendLook, s.watchFile)
	}
	return until
}

// watchFile reads the file on behalf of those who were lent a token.
func (s *Session) watchFile() {
	s.mu.Lock()
	s.watch = nil
	if s.open.Err() == nil && time.Now().Before(s.leasedUntil) {
		s.watch = time.AfterFunc(lendLook, s.watchFile)
	}
	s.mu.Unlock()
	s.cache.look()
}
