package oidc

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
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
	cache    *cache
	log      *slog.Logger
	onChange func(Status)

	refreshes  singleflight.Group
	background sync.WaitGroup  // work that no caller waits for
	open       context.Context // ends with Close: the lock is not waited for any longer
	close      context.CancelFunc

	mu          sync.Mutex
	pause       pause
	rewriteAt   time.Time // when the file is written again that should be
	rejected    string    // fingerprint of the last token that the endpoint did not accept
	rejectedAt  time.Time // when
	replacement string    // fingerprint of the token that replaced a rejected or doubted one
	lastUse     time.Time
	ahead       *time.Timer // refreshes before the expiry
	leasedUntil time.Time   // somebody uses the token until then without asking
	watch       *time.Timer // reads the file for them; nil while there is no lease
	attempt     *attempt    // the sign-in that is going on
	trouble     *problem.Problem
	troubleOf   string // fingerprint of the access token that it was about
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
	file := tokens.Open(places, config)
	s := &Session{
		config: config, domain: d, patience: signin.Patience, file: file, cache: newCache(tokensFile{file}, log), log: log,
		onChange: func(Status) {},
	}
	s.open, s.close = context.WithCancel(context.Background())
	s.cache.changed = s.tokensChanged
	return s, nil
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
	now := s.cache.get()
	if s.config.AgentToken {
		return []secret.Text{now.Refresh}
	}
	return []secret.Text{now.Access, now.Refresh}
}

// Close ends a sign-in that is going on, and waits for the work that no caller waits
// for: a refresh token that was sent must not lose its successor. Whatever only waits
// for another process ends at once. Tokens that are not saved yet are tried once more.
func (s *Session) Close() {
	s.cancelAttempt(problem.New(problem.Cancelled, "The sign-in was stopped.", "Start again."))
	s.mu.Lock()
	s.close()
	for _, timer := range []*time.Timer{s.ahead, s.watch} {
		if timer != nil {
			timer.Stop()
		}
	}
	s.mu.Unlock()
	s.background.Wait()
	if s.cache.get().unsaved {
		ctx, cancel := context.WithTimeout(context.Background(), saveTime)
		defer cancel()
		s.rewrite(ctx)
	}
}

// Unsaved returns why the tokens live in the memory of this process only, or nil. A
// process that ends then loses them.
func (s *Session) Unsaved() *problem.Problem {
	if now := s.cache.get(); now.atRisk() {
		return now.problem
	}
	return nil
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
	return s.fresh(ctx, replaced, rejected)
}

// fresh returns the token that comes in place of the one with the fingerprint replaced,
// and that is not the rejected one.
func (s *Session) fresh(ctx context.Context, replaced, rejected string) (token Token, err error) {
	// Twice, because another process may have left tokens that have expired already, or
	// the disk was slow.
	for range 2 {
		if err := s.refreshNow(ctx, replaced); err != nil {
			return Token{}, err
		}
		if token, replaced, err = s.replaced(rejected); !token.Access.Empty() || err != nil {
			return token, err
		}
	}
	return Token{}, problem.New(problem.Domain,
		fmt.Sprintf("The tokens from %s have already expired when they arrive.", s.domain.Host()),
		"Check this machine's clock.")
}

// replaced returns the token that came in place of a rejected or expired one, else the
// fingerprint of one that has to be replaced itself. Some domains hand out one access
// token until it ends: to refresh once more would not bring another.
func (s *Session) replaced(rejected string) (token Token, replaced string, err error) {
	now := s.cache.get()
	if !now.usable(time.Now()) {
		return Token{}, now.fingerprint, nil
	}
	if rejected != "" {
		s.mu.Lock()
		s.replacement = now.fingerprint
		s.mu.Unlock()
	}
	if now.fingerprint == rejected {
		return Token{}, rejected, s.rejectedAgain(now, "hands out again and again until it ends")
	}
	return now.token(), "", nil
}

// Another returns a token other than a doubted one: one with which the endpoint refused a
// request, perhaps for another reason. There may be none, and the doubted token stays
// good: it is refreshed once, and not again if the new one is refused as well.
func (s *Session) Another(ctx context.Context, doubted string) (Token, error) {
	now := s.cache.look()
	if !now.usable(time.Now()) || now.fingerprint != doubted {
		return s.Token(ctx, "")
	}
	s.mu.Lock()
	tried := s.replacement == doubted
	s.mu.Unlock()
	if tried || !s.renewable(now) || !now.RefreshSentAt.IsZero() {
		return Token{}, nil
	}
	if err := s.refreshNow(ctx, doubted); err != nil {
		return Token{}, err
	}
	now = s.cache.get()
	s.mu.Lock()
	s.replacement = now.fingerprint
	s.mu.Unlock()
	if !now.usable(time.Now()) || now.fingerprint == doubted {
		return Token{}, nil
	}
	return now.token(), nil
}

// Served is told when the endpoint last answered a request. A rejection of the token from
// before is taken back; one that came after it stands, and Served returns false.
func (s *Session) Served(fingerprint string, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fingerprint != s.rejected {
		return true
	}
	if at.After(s.rejectedAt) {
		s.rejected = ""
	}
	return s.rejected == ""
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
	now, clock := s.cache.look(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.lastUse.IsZero()
	s.lastUse = clock
	if first {
		s.arm(now)
	}
	switch {
	case rejected != "" && rejected == now.fingerprint:
		s.rejected, s.rejectedAt = rejected, clock
		if rejected == s.replacement && clock.Sub(now.IssuedAt) < justIssued {
			return Token{}, now.fingerprint, s.rejectedAgain(now, "has just issued")
		}
	case now.usable(clock):
		if s.due(now, clock) {
			s.refreshInBackground(now.fingerprint)
		}
		s.rewriteInBackground(now)
		return now.token(), now.fingerprint, nil
	}
	return Token{}, now.fingerprint, nil
}

// Refresh gets new tokens now, unless the domain wants to be left alone. A refresh token
// that may be used up is not risked while the access token is valid.
func (s *Session) Refresh(ctx context.Context) (Token, error) {
	now := s.cache.look()
	if now.usable(time.Now()) && !s.config.AuthMethod.Unattended() {
		left := now.ExpiresAt.Local().Format("15:04:05")
		switch {
		case now.Refresh.Empty():
			return Token{}, problem.New(problem.LoginRequired,
				fmt.Sprintf("This session has no refresh token: it ends with its access token at %s.", left),
				"Sign in again to get another one. "+RefreshSwitches)
		case !now.RefreshSentAt.IsZero() && now.fingerprint != s.rejectedToken():
			return Token{}, problem.New(problem.Domain,
				fmt.Sprintf("An earlier refresh had no answer from %s, so that the refresh token may be used up. It is sent once more when the access token ends at %s.", s.domain.Host(), left),
				"Use the token until then; it is valid. Or sign in again.")
		}
	}
	return s.fresh(ctx, now.fingerprint, "")
}

func (s *Session) rejectedToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rejected
}

// Status is what there is to say of a session, without secrets.
type Status struct {
	SignedIn    bool // a token is valid, or can be had without the person
	Subject     string
	ExpiresAt   time.Time // of the access token; zero when there is none
	Refreshable bool      // new tokens come without the person
	Unsaved     bool      // the tokens live in the memory of this process only
	ClockSkew   time.Duration
	Problem     *problem.Problem // the last trouble that has not passed
}

// Status asks nobody: it tells what memory and disk say.
func (s *Session) Status() Status {
	now := s.cache.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	trouble := s.trouble
	if s.troubleOf != now.fingerprint {
		trouble = nil
	}
	valid := now.usable(time.Now()) && now.fingerprint != s.rejected
	status := Status{
		SignedIn:    valid || !now.Refresh.Empty() || s.config.AuthMethod.Unattended() && trouble == nil,
		Subject:     now.Subject,
		ExpiresAt:   now.ExpiresAt,
		Refreshable: s.renewable(now),
		Unsaved:     now.atRisk(),
		ClockSkew:   s.domain.ClockSkew(),
		Problem:     cmp.Or(now.problem, trouble),
	}
	if status.Subject == "" && s.config.AuthMethod.Unattended() {
		status.Subject = s.config.ClientID
	}
	if _, err := s.config.Proof().Read(); err != nil {
		status.Problem = problem.From(err)
	}
	return status
}

// tokensChanged is called when the session has other tokens than before.
func (s *Session) tokensChanged() {
	now := s.cache.get()
	s.mu.Lock()
	s.arm(now)
	s.mu.Unlock()
	s.onChange(s.Status())
}

// due reports whether it is time to refresh ahead. After a refresh whose outcome
// is unknown the refresh token may be used up, so it is not risked before the
// access token has ended. Where the clock was set back, nobody knows how long the
// token still lives. s.mu is held.
func (s *Session) due(now cached, clock time.Time) bool {
	late := !clock.Before(now.ExpiresAt.Add(-now.margin)) || now.early(clock)
	return late && s.renewable(now) && now.RefreshSentAt.IsZero() && s.pausing(now) == nil
}

// justIssued is how young a token is that the endpoint should not refuse.
const justIssued = time.Minute

// loginRequired is what a caller is told when only the person can help.
func loginRequired(now cached) *problem.Problem {
	if now.withheld {
		return now.problem
	}
	return problem.New(problem.LoginRequired,
		"You are not signed in, or your session has ended.",
		`Run /connect in OpenCode, or "oci-oidc-helper connect" at a prompt.`)
}

// rejectedAgain is what a caller is told when the endpoint refuses even the token
// that replaced a refused one: another refresh would not help. What the domain has to do
// with the token is said in the middle of the sentence.
func (s *Session) rejectedAgain(now cached, issued string) *problem.Problem {
	hint := "Check scope: it must name the scope of the endpoint's own resource application, audience and scope name written together."
	if facts, ok := domain.DescribeToken(now.Access); ok && len(facts.Audience) > 0 {
		hint += fmt.Sprintf(" The token's audience is %s.", lenient.Printable(fmt.Sprint(facts.Audience), 200))
	}
	if skew := s.domain.ClockSkew(); skew.Abs() > 2*time.Minute {
		hint = fmt.Sprintf("This machine's clock differs from the domain's by %s; correct it.", skew.Abs().Round(time.Second))
	}
	return problem.New(problem.Config, fmt.Sprintf("The endpoint %s rejects a token that %s %s.",
		s.config.BaseURL, s.domain.Host(), issued), hint)
}
