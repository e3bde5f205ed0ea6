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

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A Session is a person (or an application) signed in at one domain with one client.
// All processes with the same configuration share the session. It is safe for
// concurrent use. Every error that its methods return is a [problem.Problem].
type Session struct {
	config     config.Config
	domain     *domain.Domain
	signInTime time.Duration // how long a person may take to sign in
	file       *tokens.File
	cache      *cache
	log        *slog.Logger
	onChange   func(Status)

	refreshes  singleflight.Group
	background sync.WaitGroup  // work that no caller waits for
	untilClose context.Context // cancelled by Close, so that nothing waits for the file lock after it
	cancelWork context.CancelFunc

	mu               sync.Mutex
	pause            pause
	nextRewrite      time.Time        // the file is not rewritten in the background before this time
	rejected         string           // fingerprint of the last token that the endpoint rejected
	rejectedAt       time.Time        // when the endpoint rejected it
	replacement      string           // fingerprint of the last token that was fetched because another was rejected or in doubt
	lastUse          time.Time        // when a caller last asked for a token; zero before the first time
	refreshTimer     *time.Timer      // starts the refresh before the access token expires; may be nil
	leasedUntil      time.Time        // when the last lease ends
	watchTimer       *time.Timer      // polls the file during a lease, see leasePoll; otherwise nil
	attempt          *attempt         // the sign-in in progress, or nil
	lastProblem      *problem.Problem // of the last failed refresh
	lastProblemToken string           // fingerprint of the access token that this refresh was to replace
}

// A Token is an access token that was valid when it was returned. The zero Token has no
// access token.
type Token struct {
	Access    secret.Text
	Type      string    // "Bearer"
	ExpiresAt time.Time // by this machine's clock
}

// NewSession returns the session of a configuration. It sends no request, and reads
// no tokens until one of the session's methods needs them. Its error is a
// [problem.Problem] of kind Config.
func NewSession(config config.Config, places store.Places, log *slog.Logger) (*Session, error) {
	d, err := domain.New(config, log)
	if err != nil {
		return nil, err
	}
	file := tokens.Open(places, config)
	s := &Session{
		config: config, domain: d, signInTime: signin.Patience, file: file, cache: newCache(tokensFile{file}, log), log: log,
		onChange: func(Status) {},
	}
	s.untilClose, s.cancelWork = context.WithCancel(context.Background())
	s.cache.changed = s.tokensChanged
	return s, nil
}

// OnChange sets the function that the session calls, without holding locks, after it
// began or ended or its tokens changed. Call OnChange before using the session.
func (s *Session) OnChange(f func(Status)) { s.onChange = f }

// UseTransport sends the session's requests to its domain through t instead of the
// network, for simulations. Call it before using the session.
func (s *Session) UseTransport(t http.RoundTripper) { s.domain.UseTransport(t) }

// Config returns the session's configuration.
func (s *Session) Config() config.Config { return s.config }

// Secrets returns the tokens in memory that must be redacted from what an agent reads:
// the refresh token, and the access token unless the configuration sets allow_agent_token.
func (s *Session) Secrets() []secret.Text {
	now := s.cache.get()
	if s.config.AgentToken {
		return []secret.Text{now.Refresh}
	}
	return []secret.Text{now.Access, now.Refresh}
}

// Close cancels a sign-in in progress and waits for background work, because a refresh
// whose request was sent must still save the new refresh token. Work that only waits
// for another process is cancelled. If the tokens in memory are not on the disk yet,
// or not any more, Close tries once more to save them, for at most [saveTime].
func (s *Session) Close() {
	s.cancelAttempt(problem.New(problem.Cancelled, "The sign-in was stopped.", "Start again."))
	s.mu.Lock()
	s.cancelWork()
	for _, timer := range []*time.Timer{s.refreshTimer, s.watchTimer} {
		if timer != nil {
			timer.Stop()
		}
	}
	s.mu.Unlock()
	s.background.Wait()
	if s.cache.get().Empty() {
		return
	}
	if now := s.cache.latest(); now.Tokens != now.saved {
		ctx, cancel := context.WithTimeout(context.Background(), saveTime)
		defer cancel()
		s.rewrite(ctx)
	}
}

// Unsaved returns the reason why the tokens could not be saved, or nil if they are on
// the disk. Unsaved tokens are lost when this process ends.
func (s *Session) Unsaved() *problem.Problem {
	if now := s.cache.get(); now.unsaved() {
		return now.problem
	}
	return nil
}

// Token returns an access token that is valid now: the one in memory, else the one on
// the disk, else a new one from a refresh. If the endpoint rejected a token, rejected is
// its fingerprint, and Token returns a different one; otherwise rejected is "".
//
// Token waits for the domain only if no valid token exists, and never for a person: if
// nobody is signed in, it returns a problem of kind LoginRequired at once.
func (s *Session) Token(ctx context.Context, rejected string) (Token, error) {
	token, replaced, err := s.ready(rejected)
	if !token.Access.Empty() || err != nil {
		return token, err
	}
	return s.fresh(ctx, replaced, rejected)
}

// fresh refreshes the token with the fingerprint replaced and returns the new one. It
// never returns the token with the fingerprint rejected.
func (s *Session) fresh(ctx context.Context, replaced, rejected string) (token Token, err error) {
	// A second refresh is needed if another process saved tokens that have expired
	// since, or if the new token expired while a slow disk saved it.
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

// replaced returns the token in memory after a refresh, or its fingerprint if it has
// expired too and must be refreshed again. If it is the rejected token, replaced returns
// an error: some domains issue the same access token until it expires, and another
// refresh would not change that.
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

// Another returns a different token than the one with the fingerprint doubted. A token
// is in doubt when the endpoint refused a request that used it, but not necessarily
// because of the token (a 403, say).
//
// Another returns the zero Token and no error if it has no different one. The token in
// doubt stays valid. Another refreshes it once; if the endpoint refuses a request with
// the new token too, that one is not refreshed.
func (s *Session) Another(ctx context.Context, doubted string) (Token, error) {
	now := s.cache.latest()
	if !now.usable(time.Now()) || now.fingerprint != doubted {
		return s.Token(ctx, "")
	}
	s.mu.Lock()
	tried := s.replacement == doubted
	s.mu.Unlock()
	if tried || !s.refreshable(now) || !now.RefreshSentAt.IsZero() {
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

// Served records that the endpoint accepted the token with this fingerprint at the given
// time. A rejection before that time no longer counts. Served returns false if the
// endpoint rejected the token after that time, and true otherwise.
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

// Ready is [Session.Token] for a caller that cannot wait: ok is false if the token must
// be refreshed first. It costs one stat of the file, and one read if another process
// changed the file.
func (s *Session) Ready(rejected string) (token Token, ok bool, err error) {
	token, _, err = s.ready(rejected)
	return token, !token.Access.Empty(), err
}

// ready returns the token, or the fingerprint of the one to refresh. The refresh must be
// given this fingerprint, not the one in memory by then: another caller may have
// refreshed the token meanwhile, and it would be refreshed twice.
func (s *Session) ready(rejected string) (token Token, replaced string, err error) {
	now, clock := s.cache.latest(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.lastUse.IsZero()
	s.lastUse = clock
	if first {
		s.setRefreshTimer(now)
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

// Refresh requests new tokens now, even if the access token is still valid, unless the
// domain asked for a pause (Retry-After) or a refresh failed moments ago. While the
// access token is valid, Refresh does not send a refresh token that an unanswered
// request may have used up, but returns a problem.
func (s *Session) Refresh(ctx context.Context) (Token, error) {
	now := s.cache.latest()
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

// Status describes a session without its secrets.
type Status struct {
	SignedIn    bool             // there is a valid access token, or a new one needs no person
	Subject     string           // who is signed in; "" if unknown
	ExpiresAt   time.Time        // when the access token expires; zero if there is none
	Refreshable bool             // new tokens need no person
	Unsaved     bool             // the tokens are not on the disk and end with this process
	ClockSkew   time.Duration    // how far the domain's clock is ahead of this machine's
	Problem     *problem.Problem // the last problem that is not solved yet, or nil
}

// Status returns what memory and disk say about the session. It sends no request.
func (s *Session) Status() Status {
	now := s.cache.latest()
	s.mu.Lock()
	defer s.mu.Unlock()
	lastProblem := s.lastProblem
	if s.lastProblemToken != now.fingerprint {
		lastProblem = nil
	}
	valid := now.usable(time.Now()) && now.fingerprint != s.rejected
	status := Status{
		SignedIn:    valid || !now.Refresh.Empty() || s.config.AuthMethod.Unattended() && lastProblem == nil,
		Subject:     now.Subject,
		ExpiresAt:   now.ExpiresAt,
		Refreshable: s.refreshable(now),
		Unsaved:     now.unsaved(),
		ClockSkew:   s.domain.ClockSkew(),
		Problem:     cmp.Or(now.problem, lastProblem),
	}
	if status.Subject == "" && s.config.AuthMethod.Unattended() {
		status.Subject = s.config.ClientID
	}
	if _, err := s.config.Proof().Read(); err != nil {
		status.Problem = problem.From(err)
	}
	return status
}

// tokensChanged is called by the cache after the tokens changed.
func (s *Session) tokensChanged() {
	now := s.cache.get()
	s.mu.Lock()
	s.setRefreshTimer(now)
	s.mu.Unlock()
	s.onChange(s.Status())
}

// due reports whether a valid token should be refreshed in the background. A refresh
// token that an unanswered request may have used up is not sent before the access token
// has expired. If this machine's clock was set back, the token's expiry is unknown, and
// the refresh is due at once. The caller holds s.mu.
func (s *Session) due(now cached, clock time.Time) bool {
	late := !clock.Before(now.ExpiresAt.Add(-now.margin)) || now.fromFuture(clock)
	return late && s.refreshable(now) && now.RefreshSentAt.IsZero() && s.pausing(now) == nil
}

// justIssued is the age below which a token that replaced a rejected one is not refreshed
// when the endpoint rejects it, too: another refresh would not help.
const justIssued = time.Minute

// loginRequired is the problem when only a sign-in can bring tokens.
func (s *Session) loginRequired(now cached) *problem.Problem {
	if now.withheld {
		return now.problem
	}
	what, flag := "You are not signed in, or your session has ended.", ""
	if id := s.config.Session; id != "" {
		what, flag = "You are not signed in for "+endpoint.Named(s.config.Others)+", or that session has ended.", " --endpoint "+id
	}
	if p := now.problem; p != nil && tokens.Damaged(p) {
		what = p.Message
	}
	return problem.New(problem.LoginRequired, what, fmt.Sprintf(`Run /connect in OpenCode, or "oci-oidc-helper connect%s" at a prompt.`, flag))
}

// rejectedAgain is the problem when the endpoint rejects even the token that replaced a
// rejected one, so that another refresh would not help. issued ends its sentence "The
// endpoint rejects a token that the domain …".
func (s *Session) rejectedAgain(now cached, issued string) *problem.Problem {
	hint := "Check " + s.config.ScopeKey() + ": it must name the scope of the endpoint's own resource application, audience and scope name written together."
	if facts, ok := idtoken.Describe(now.Access); ok && len(facts.Audience) > 0 {
		hint += fmt.Sprintf(" The token's audience is %s.", lenient.Printable(fmt.Sprint(facts.Audience), 200))
	}
	if skew := s.domain.ClockSkew(); skew.Abs() > 2*time.Minute {
		hint = fmt.Sprintf("This machine's clock differs from the domain's by %s; correct it.", skew.Abs().Round(time.Second))
	}
	return problem.New(problem.Config, fmt.Sprintf("The endpoint %s rejects a token that %s %s.",
		s.config.BaseURL, s.domain.Host(), issued), hint)
}
