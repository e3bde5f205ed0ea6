package oidc

import "time"

const (
	// leaseLength is the longest lease. A shim that missed the notification of a
	// sign-out notices the sign-out when the lease ends.
	leaseLength = 5 * time.Minute
	// leaseStep is what the end of a lease is rounded down to, so that requests close
	// together get identical replies.
	leaseStep = 30 * time.Second
	// leasePoll is how often the file is checked during a lease: the shim does not call
	// the session then, and nothing else would notice changes by other processes.
	leasePoll = 3 * time.Second
)

// Lend returns when a lease of the token that begins now ends, by the wall clock. Until
// then the caller may use the token without asking the session again. The zero time
// means that there is no lease, and the caller must ask before each use.
//
// During the lease the session calls the function set with [Session.OnChange] within
// seconds of a change by another process, too; the caller must then stop using the token.
//
// The lease ends before the token expires, but after the background refresh is due to
// begin, so that the new token is usually there when the lease ends.
func (s *Session) Lend(token Token) time.Time {
	current, now := s.cache.get(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	until := now.Add(leaseLength).Truncate(leaseStep)
	if end := current.ExpiresAt.Add(-current.margin / 2); end.Before(until) {
		until = end
	}
	if s.untilClose.Err() != nil || token.Access != current.Access || s.rejections.has(current.fingerprint) || current.FromFuture(now) || !now.Before(until) {
		return time.Time{}
	}
	s.leasedUntil = until
	if s.watchTimer == nil {
		s.watchTimer = time.AfterFunc(leasePoll, s.watchFile)
	}
	return until
}

// watchFile checks the file during a lease, see leasePoll.
func (s *Session) watchFile() {
	s.mu.Lock()
	s.watchTimer = nil
	if s.untilClose.Err() == nil && time.Now().Before(s.leasedUntil) {
		s.watchTimer = time.AfterFunc(leasePoll, s.watchFile)
	}
	s.mu.Unlock()
	s.cache.latest()
}
