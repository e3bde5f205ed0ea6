package domaintest

import (
	"maps"
	"sync"
	"time"
)

const (
	sessionLife = 8 * time.Hour      // how long a sign-in lasts: an ID token ends with it
	refreshLife = 7 * 24 * time.Hour // how long a refresh token lives, counted anew at each use
	codeLife    = 3 * time.Minute    // how long an authorization code lives
)

// state is what the domain remembers. What is in it is read and changed under mu,
// but for what stays as it was when it was put there.
type state struct {
	mu      sync.Mutex
	codes   shelf[*code]
	refresh shelf[*refreshToken]
	devices shelf[*device]

	assertions shelf[struct{}] // the IDs of those that have served
}

// A grant is what one person allowed one client; its tokens may be renewed many
// times.
type grant struct {
	client   Client
	user     User // none if the client acts for itself
	scopes   []scope
	nonce    string    // for the first ID token alone
	signedIn time.Time // when the person signed in
	resource []string  // RFC 8707; the only audiences, if there are any
	revoked  bool      // the grant's refresh tokens serve no more
}

// A code is an authorization code.
type code struct {
	grant     *grant
	redirect  string
	challenge string // S256; empty if the client sent none
}

// A refreshToken outlives its use, so that a reuse is known for one.
type refreshToken struct {
	grant *grant
	used  bool
}

// shelfLimit is how many things a shelf holds.
const shelfLimit = 100_000

// A shelf keeps things by key until they expire.
type shelf[T any] map[string]shelved[T]

type shelved[T any] struct {
	thing   T
	expires time.Time
}

// put keeps thing until expires. A full shelf first throws away what has expired;
// if that is little, it throws away a tenth, so that it is not full again at once.
func (s *shelf[T]) put(key string, thing T, now, expires time.Time) {
	if *s == nil {
		*s = shelf[T]{}
	}
	if len(*s) >= shelfLimit {
		s.makeRoom(now)
	}
	(*s)[key] = shelved[T]{thing, expires}
}

func (s *shelf[T]) makeRoom(now time.Time) {
	maps.DeleteFunc(*s, func(_ string, kept shelved[T]) bool { return !now.Before(kept.expires) })
	for key := range *s {
		if len(*s) <= shelfLimit*9/10 {
			break
		}
		delete(*s, key)
	}
}

// get returns what is kept under key, if it has not expired.
func (s shelf[T]) get(key string, now time.Time) (T, bool) {
	kept, ok := s[key]
	if !ok || !now.Before(kept.expires) {
		var none T
		return none, false
	}
	return kept.thing, true
}

// take is get, and removes what it returns.
func (s shelf[T]) take(key string, now time.Time) (T, bool) {
	thing, ok := s.get(key, now)
	delete(s, key)
	return thing, ok
}

// RevokeRefreshTokens makes the domain forget every refresh token, as an
// administrator can. Access tokens live on.
func (s *Server) RevokeRefreshTokens() {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	for _, kept := range s.state.refresh {
		kept.thing.grant.revoked = true
	}
}

// EndSessions signs everybody out: refresh tokens, authorization codes and device
// codes all serve no more. Access tokens live on.
func (s *Server) EndSessions() {
	s.RevokeRefreshTokens()
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	clear(s.state.codes)
	clear(s.state.devices)
}

// seconds returns n seconds as a duration.
func seconds(n int) time.Duration { return time.Duration(n) * time.Second }
