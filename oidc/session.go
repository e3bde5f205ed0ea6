package oidc

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A Session is a person signed in at one domain with one client, in this process
// and in every other that has the same configuration. It is safe for concurrent
// use. Every error of its methods is a [problem.Problem].
type Session struct {
	config   config.Config
	domain   *domain.Domain
	patience time.Duration // with a person at the sign-in page
	file     *tokens.File
	log      *slog.Logger
	onChange func(Status)

	refreshes singleflight.Group
	behind    sync.WaitGroup // what goes on without a caller
	turn      chan struct{}  // held beside the lock, which is not to be had everywhere
	lockless  atomic.Bool    // it was not to be had here

	mu        sync.Mutex
	held      held
	unsaved   bool // what is held could not be written
	saveAfter time.Time
	foreign   *problem.Problem // why the file's tokens are not for this process to have
	reformed  bool             // the file was to be put into the configured form once
	pause     pause
	rejected  string // fingerprint of the last token that the endpoint did not accept
	stand     string // fingerprint of the token that replaced a rejected one
	lastUse   time.Time
	ahead     *time.Timer // refreshes before the expiry
	lentUntil time.Time   // somebody holds the token until then, and does not ask
	look      *time.Timer // looks at the file for them; nil when it is not lent
	closed    bool
	attempt   *attempt // the sign-in that is going on
	lastFault *problem.Problem
}

// held are the tokens in memory, with what is asked of them at every call.
type held struct {
	tokens.Tokens
	stamp       tokens.Stamp // of the file they were read from or written to
	fingerprint string       // of the access token
	margin      time.Duration
}

// A Token is an access token that may be used now.
type Token struct {
	Access    secret.Text
	Type      string
	ExpiresAt time.Time
}

// NewSession returns the session of a configuration. It makes no request and
// reads no token before it is asked.
func NewSession(config config.Config, places store.Places, log *slog.Logger) (*Session, error) {
	d, err := domain.New(config, log)
	if err != nil {
		return nil, err
	}
	return &Session{
		config: config, domain: d, patience: signin.Patience, file: tokens.Open(places, config), log: log,
		onChange: func(Status) {}, turn: make(chan struct{}, 1),
	}, nil
}

// OnChange sets what is called, without locks held, whenever the session began,
// ended, or has other tokens. It is to be set before the session is used.
func (s *Session) OnChange(f func(Status)) { s.onChange = f }

// UseTransport makes the session reach its domain by another way than the network:
// for simulations. It is to be called before the session is used.
func (s *Session) UseTransport(t http.RoundTripper) { s.domain.UseTransport(t) }

// Config returns the session's configuration.
func (s *Session) Config() config.Config { return s.config }

// Secrets are the tokens in memory that an agent may not have.
func (s *Session) Secrets() []secret.Text {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.config.AgentToken {
		return []secret.Text{s.held.Refresh}
	}
	return []secret.Text{s.held.Access, s.held.Refresh}
}

// Close ends a sign-in that is going on, and waits for what was begun behind a
// caller's back: a refresh token that was sent must not lose its successor.
func (s *Session) Close() {
	s.cancelAttempt(problem.New(problem.Cancelled, "The sign-in was stopped.", "Start again."))
	s.mu.Lock()
	s.closed = true
	for _, timer := range []*time.Timer{s.ahead, s.look} {
		if timer != nil {
			timer.Stop()
		}
	}
	s.mu.Unlock()
	s.behind.Wait()
}

// Token returns an access token that is valid now: the one in memory, else the
// one on the disk, else a refreshed one. rejected is the fingerprint of a token
// that the endpoint did not accept, or "": that one is not returned again.
//
// It waits for the domain only if no valid token exists at all, and never for a
// person: without a session it is a problem of kind LoginRequired at once.
func (s *Session) Token(ctx context.Context, rejected string) (Token, error) {
	token, replaced, err := s.ready(rejected)
	if !token.Access.Empty() || err != nil {
		return token, err
	}
	// Twice, because another process may have left tokens that are over already.
	for range 2 {
		if err := s.refreshNow(ctx, replaced); err != nil {
			return Token{}, err
		}
		if token, replaced, err = s.replacement(rejected); !token.Access.Empty() || err != nil {
			return token, err
		}
	}
	return Token{}, problem.New(problem.Domain,
		fmt.Sprintf("The tokens of %s are over as soon as they come.", s.domain.Host()),
		"Check this machine's clock.")
}

// replacement returns the token that came in place of a rejected or expired one,
// else the fingerprint of one that has to be replaced itself. Some domains hand out one
// access token until it ends: to refresh once more would not bring another.
func (s *Session) replacement(rejected string) (token Token, replaced string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.held.usable(time.Now()) {
		return Token{}, s.held.fingerprint, nil
	}
	if rejected != "" {
		s.stand = s.held.fingerprint
	}
	if s.held.fingerprint == rejected {
		return Token{}, rejected, s.rejectedAgain("hands out again and again until it ends")
	}
	return s.held.token(), "", nil
}

// Ready returns the token if that needs no waiting: at the cost of one stat, and
// of reading the file where another process has changed it.
func (s *Session) Ready(rejected string) (token Token, ok bool, err error) {
	token, _, err = s.ready(rejected)
	return token, !token.Access.Empty(), err
}

// ready returns the token, or the fingerprint of the one that has to be replaced:
// as it was found here, since by the time of the refresh it may have been.
func (s *Session) ready(rejected string) (token Token, replaced string, err error) {
	now := time.Now()
	s.mu.Lock()
	s.lastUse = now
	changed := s.notice()
	replaced = s.held.fingerprint
	switch {
	case rejected != "" && rejected == replaced:
		s.rejected = rejected
		if rejected == s.stand && now.Sub(s.held.IssuedAt) < justIssued {
			err = s.rejectedAgain("has just issued")
		}
	case s.held.usable(now):
		token = s.held.token()
		if s.due(now) {
			s.refreshBehind()
		}
		s.saveBehind()
		s.reformBehind()
	}
	s.mu.Unlock()
	if changed {
		s.onChange(s.Status())
	}
	return token, replaced, err
}

// Refresh gets new tokens now.
func (s *Session) Refresh(ctx context.Context) (Token, error) {
	s.mu.Lock()
	changed := s.notice()
	s.pause = pause{}
	replaced := s.held.fingerprint
	s.mu.Unlock()
	if changed {
		s.onChange(s.Status())
	}
	if err := s.refreshNow(ctx, replaced); err != nil {
		return Token{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held.token(), nil
}

// Status is what there is to say of a session, without secrets.
type Status struct {
	SignedIn    bool // a token is valid, or can be had without the person
	Subject     string
	ExpiresAt   time.Time // of the access token; zero when there is none
	Refreshable bool      // new tokens come without the person
	ClockSkew   time.Duration
	Problem     *problem.Problem // the last trouble that is not over
}

// Status asks nobody: it tells what memory and disk say.
func (s *Session) Status() Status {
	s.mu.Lock()
	changed := s.notice()
	status := s.status()
	s.mu.Unlock()
	if changed {
		s.onChange(status)
	}
	return status
}

// status tells what memory says. s.mu is held.
func (s *Session) status() Status {
	t := s.held.Tokens
	valid := s.held.usable(time.Now()) && s.held.fingerprint != s.rejected
	status := Status{
		SignedIn:    valid || !t.Refresh.Empty() || s.config.AuthMethod.Unattended() && s.lastFault == nil,
		Subject:     t.Subject,
		ExpiresAt:   t.ExpiresAt,
		Refreshable: s.renewable(),
		ClockSkew:   s.domain.ClockSkew(),
		Problem:     s.lastFault,
	}
	if status.Subject == "" && s.config.AuthMethod.Unattended() {
		status.Subject = s.config.ClientID
	}
	if _, err := s.config.Proof().Read(); err != nil {
		status.Problem = problem.From(err)
	}
	return status
}

// notice takes over what another process wrote, and reports whether it did. What
// is in memory gives way to nothing but tokens or their absence: a disk that fails
// for a moment, or a file that was damaged, ends no session. s.mu is held.
func (s *Session) notice() bool {
	if s.file.Stamp().Same(s.held.stamp) {
		return false
	}
	tokens, stamp, err := s.file.Load()
	if err != nil {
		return s.noticeFault(stamp, err)
	}
	s.foreign = nil
	if s.unsaved && !tokens.IssuedAt.After(s.held.IssuedAt) {
		s.held.stamp = stamp
		return false
	}
	s.hold(tokens, stamp)
	return true
}

// noticeFault is notice for a file that cannot be used. s.mu is held.
func (s *Session) noticeFault(stamp tokens.Stamp, err error) bool {
	p := problem.From(err)
	if s.lastFault == nil || s.lastFault.Message != p.Message { // which may be asked often
		s.log.Warn("the saved tokens are not used", "problem", p)
	}
	s.lastFault = p
	switch {
	case tokens.Newer(err):
		changed := !s.held.Empty()
		s.hold(tokens.Tokens{}, stamp)
		s.foreign, s.lastFault = p, p
		return changed
	case tokens.Damaged(err):
		s.held.stamp = stamp
		s.unsaved = !s.held.Empty() // and so written again
	case tokens.KeyLost(err):
		s.held.stamp = stamp
		s.foreign = p
	case tokens.KeyringFault(err):
		s.foreign = p // and asked again
	}
	return false
}

// hold makes tokens the current ones. s.mu is held.
func (s *Session) hold(tokens tokens.Tokens, stamp tokens.Stamp) {
	before := s.held.fingerprint
	s.held = held{Tokens: tokens, stamp: stamp, margin: margin(tokens)}
	if !tokens.Access.Empty() {
		s.held.fingerprint = tokens.Access.Fingerprint()
	}
	s.unsaved = false
	if s.held.fingerprint != before {
		s.pause, s.lastFault = pause{}, nil
	}
	if !tokens.Empty() {
		s.foreign = nil
	}
	s.arm()
}

func (h *held) token() Token {
	return Token{Access: h.Access, Type: h.Type, ExpiresAt: h.ExpiresAt}
}

// usable reports whether the access token is still good when a request that
// leaves now arrives.
func (h *held) usable(now time.Time) bool {
	onTheWay := min(h.ExpiresAt.Sub(h.IssuedAt)/20, 10*time.Second)
	return !h.Access.Empty() && now.Before(h.ExpiresAt.Add(-onTheWay))
}

// early reports whether the tokens are of a time to come: the clock was set back.
func (h *held) early(now time.Time) bool {
	const tolerance = time.Minute
	return now.Before(h.IssuedAt.Add(-tolerance))
}

// margin is how long before the expiry a refresh begins: a fifth of the lifetime,
// five minutes at most, and not the same for all.
func margin(t tokens.Tokens) time.Duration {
	fifth := min(t.ExpiresAt.Sub(t.IssuedAt)/5, 5*time.Minute)
	return time.Duration(float64(fifth) * (0.75 + rand.Float64()/2))
}

// due reports whether it is time to refresh ahead. After a refresh whose outcome
// is unknown the refresh token may be used up, so it is not risked before the
// access token has ended. Where the clock was set back, nobody knows how long the
// token still lives. s.mu is held.
func (s *Session) due(now time.Time) bool {
	late := !now.Before(s.held.ExpiresAt.Add(-s.held.margin)) || s.held.early(now)
	return late && s.renewable() && s.held.RefreshSentAt.IsZero() && !now.Before(s.pause.until)
}

// justIssued is how young a token is that the endpoint should not refuse.
const justIssued = time.Minute

// loginRequired is what a caller is told when only the person can help.
func (s *Session) loginRequired() *problem.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign != nil {
		return s.foreign
	}
	return problem.New(problem.LoginRequired,
		"You are not signed in, or your session has ended.",
		`Run /connect in OpenCode, or "oci-oidc-helper connect" at a prompt.`)
}

// rejectedAgain is what a caller is told when the endpoint refuses even the token
// that replaced a refused one: another refresh would not help. What the domain has to do
// with the token is said in the middle of the sentence. s.mu is held.
func (s *Session) rejectedAgain(token string) *problem.Problem {
	hint := "Check scope: it must name the scope of the endpoint's own resource application, audience and scope name written together."
	if facts, ok := domain.DescribeToken(s.held.Access); ok && len(facts.Audience) > 0 {
		hint += fmt.Sprintf(" The token's audience is %s.", domain.Printable(fmt.Sprint(facts.Audience), 200))
	}
	if skew := s.domain.ClockSkew(); skew.Abs() > 2*time.Minute {
		hint = fmt.Sprintf("This machine's clock differs from the domain's by %s; correct it.", skew.Abs().Round(time.Second))
	}
	return problem.New(problem.Config, fmt.Sprintf("The endpoint %s rejects a token that %s %s.",
		s.config.BaseURL, s.domain.Host(), token), hint)
}
