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
	rejections rejections

	refreshes  singleflight.Group
	background sync.WaitGroup  // work that no caller waits for
	untilClose context.Context // cancelled by Close, so that nothing waits for the file lock after it
	cancelWork context.CancelFunc

	mu               sync.Mutex
	pause            pause
	nextRewrite      time.Time        // the file is not rewritten in the background before this time
	lastUse          time.Time        // when a caller last asked for a token; zero before the first time
	refreshTimer     *time.Timer      // starts the refresh before the access token expires; may be nil
	leasedUntil      time.Time        // when the last lease ends
	watchTimer       *time.Timer      // polls the file during a lease, see leasePoll; otherwise nil
	attempt          *attempt         // the sign-in in progress, or nil
	lastProblem      *problem.Problem // of the last failed refresh
	lastProblemToken string           // fingerprint of the access token that this refresh was to replace
}

// A Token was valid when it was returned. The zero Token has no access token.
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
	current := s.cache.get()
	if s.config.AgentToken {
		return []secret.Text{current.Refresh}
	}
	return []secret.Text{current.Access, current.Refresh}
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
	if current := s.cache.latest(); current.Tokens != current.saved {
		ctx, cancel := context.WithTimeout(context.Background(), saveTime)
		defer cancel()
		s.rewrite(ctx)
	}
}

// Unsaved returns the reason why the tokens could not be saved, or nil if they are on
// the disk. Unsaved tokens are lost when this process ends.
func (s *Session) Unsaved() *problem.Problem {
	if current := s.cache.get(); current.unsaved() {
		return current.problem
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
	token, toReplace, err := s.ready(rejected)
	if !token.Access.Empty() || err != nil {
		return token, err
	}
	return s.fresh(ctx, toReplace, rejected)
}

// fresh replaces the token with the fingerprint toReplace and returns the new one. It
// never returns the token with the fingerprint rejected.
func (s *Session) fresh(ctx context.Context, toReplace, rejected string) (token Token, err error) {
	// A second time if the new token expired while a slow disk or another process saved it.
	for range 2 {
		if err := s.refreshNow(ctx, toReplace); err != nil {
			return Token{}, err
		}
		if token, toReplace, err = s.afterRefresh(rejected); !token.Access.Empty() || err != nil {
			return token, err
		}
	}
	return Token{}, problem.New(problem.Domain,
		fmt.Sprintf("The tokens from %s have already expired when they arrive.", s.domain.Host()),
		"Check this machine's clock.")
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
func (s *Session) ready(rejected string) (token Token, toReplace string, err error) {
	current, now := s.cache.latest(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.lastUse.IsZero()
	s.lastUse = now
	if first {
		s.setRefreshTimer(current)
	}
	switch {
	case rejected != "" && rejected == current.fingerprint:
		if s.rejections.note(current, now) {
			return Token{}, current.fingerprint, s.rejectedAgain(current, "has just issued")
		}
	case current.Usable(now):
		if s.due(current, now) {
			s.refreshInBackground(current.fingerprint)
		}
		s.rewriteInBackground(current)
		return current.token(), current.fingerprint, nil
	}
	return Token{}, current.fingerprint, nil
}

// Refresh requests new tokens now, even if the access token is still valid, unless the
// domain asked for a pause (Retry-After) or a refresh failed moments ago. While the
// access token is valid, Refresh does not send a refresh token that an unanswered
// request may have used up, but returns a problem.
func (s *Session) Refresh(ctx context.Context) (Token, error) {
	current := s.cache.latest()
	if current.Usable(time.Now()) && !s.config.AuthMethod.Unattended() {
		left := current.ExpiresAt.Local().Format("15:04:05")
		switch {
		case current.Refresh.Empty():
			return Token{}, problem.New(problem.LoginRequired,
				fmt.Sprintf("This session has no refresh token: it ends with its access token at %s.", left),
				"Sign in again to get another one. "+RefreshSwitches)
		case !current.RefreshSentAt.IsZero() && !s.rejections.has(current.fingerprint):
			return Token{}, problem.New(problem.Domain,
				fmt.Sprintf("An earlier refresh had no usable answer from %s, so that the refresh token may be used up. It is sent once more when the access token ends at %s.", s.domain.Host(), left),
				"Use the token until then; it is valid. Or sign in again.")
		}
	}
	return s.fresh(ctx, current.fingerprint, "")
}

// Status describes a session without its secrets.
type Status struct {
	SignedIn        bool             // there is a valid access token, or a new one needs no person
	Subject         string           // who is signed in; "" if unknown
	ExpiresAt       time.Time        // when the access token expires; zero if there is none
	Refreshable     bool             // new tokens need no person
	End             tokens.End       // when the session ends, as far as the domain has said so
	EndNear, EndDue bool             // see [tokens.End]; both false without a valid access token: a refresh may move the end
	Unsaved         bool             // the tokens are not on the disk and end with this process
	ClockSkew       time.Duration    // how far the domain's clock is ahead of this machine's
	Problem         *problem.Problem // the last problem that is not solved yet, or nil
}

// Status returns what memory and disk say about the session. It sends no request.
func (s *Session) Status() Status {
	current := s.cache.latest()
	_, unreadable := s.config.Proof().Read() // before the lock, because it may have to wait for the file
	s.mu.Lock()
	defer s.mu.Unlock()
	lastProblem := s.lastProblem
	if s.lastProblemToken != current.fingerprint {
		lastProblem = nil
	}
	now := time.Now()
	valid := current.Usable(now) && !s.rejections.has(current.fingerprint)
	status := Status{
		SignedIn:    valid || !current.Refresh.Empty() || s.config.AuthMethod.Unattended() && lastProblem == nil,
		Subject:     current.Subject,
		ExpiresAt:   current.ExpiresAt,
		Refreshable: s.refreshable(current),
		End:         current.End,
		EndNear:     valid && current.End.Near(now),
		EndDue:      valid && current.End.Due(now) && !current.withheld,
		Unsaved:     current.unsaved(),
		ClockSkew:   s.domain.ClockSkew(),
		Problem:     cmp.Or(problem.From(unreadable), current.problem, lastProblem),
	}
	if status.Subject == "" && s.config.AuthMethod.Unattended() {
		status.Subject = s.config.ClientID
	}
	return status
}

// tokensChanged is called by the cache after the tokens changed.
func (s *Session) tokensChanged() {
	current := s.cache.get()
	s.mu.Lock()
	s.setRefreshTimer(current)
	s.mu.Unlock()
	s.onChange(s.Status())
}

// due reports whether a valid token should be refreshed in the background. A refresh
// token that an unanswered request may have used up is not sent before the access token
// has expired. If this machine's clock was set back, the token's expiry is unknown, and
// the refresh is due at once. The caller holds s.mu.
func (s *Session) due(current cached, now time.Time) bool {
	late := !now.Before(current.ExpiresAt.Add(-current.margin)) || current.FromFuture(now)
	return late && s.refreshable(current) && current.RefreshSentAt.IsZero() && s.pausing(current) == nil
}

// loginRequired is the problem when only a sign-in can bring tokens.
func (s *Session) loginRequired(current cached) *problem.Problem {
	s.mu.Lock()
	ended := s.lastProblemToken == current.fingerprint
	s.mu.Unlock()
	switch {
	case current.withheld:
		return current.problem
	case current.Usable(time.Now()) && !ended: // the endpoint rejected it
		p := s.rejectedAgain(current, "has issued, and there is no refresh token (offline_access in scope) to get another one with")
		p.Hint = "Sign in again. If that does not help: " + p.Hint
		return p
	}
	what, flag := "You are not signed in, or your session has ended.", ""
	if id := s.config.Session; id != "" {
		what, flag = "You are not signed in for "+endpoint.Named(s.config.Others)+", or that session has ended.", " --endpoint "+id
	}
	if p := current.problem; p != nil && tokens.Damaged(p) {
		what = p.Message
	}
	return problem.New(problem.LoginRequired, what, fmt.Sprintf(`Run /connect in OpenCode, or "oci-oidc-helper connect%s" at a prompt.`, flag))
}
