package oidc

import (
	"context"
	"errors"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/place"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// Flows are those that the application can do, the one to begin with first. There is
// none where no person is needed.
func (s *Session) Flows() []signin.Flow { return signin.Flows(s.config) }

// ConnectOptions say how to sign in.
type ConnectOptions struct {
	Flow        signin.Flow // "" for the one that suits the configuration
	OpenBrowser bool
	InMemory    bool                // this process stays: tokens that cannot be saved may live in its memory
	Prompt      func(signin.Prompt) // called once; must not be nil
}

// An attempt is a sign-in that is going on.
type attempt struct {
	cancel     context.CancelCauseFunc
	pasted     chan signin.Answer
	takesPaste bool // someone reads pasted
	done       chan struct{}
}

// Connect signs the person in and returns who it is. It ends when they are done,
// when their time is over, or when another Connect begins. Where another process
// is at the same sign-in already, this one shows its prompt and waits with it.
func (s *Session) Connect(ctx context.Context, o ConnectOptions) (Status, error) {
	if s.config.AuthMethod.Unattended() {
		_, err := s.Refresh(ctx) // nobody is needed for that
		return s.Status(), err
	}
	ctx, a := s.beginAttempt(ctx)
	defer s.endAttempt(a)
	if o.Flow == "" {
		o.Flow = append(s.Flows(), o.Flow)[0]
	}
	s.log.Info("sign-in begins", "flow", o.Flow)
	if err := s.signIn(ctx, a, o); err != nil {
		p := problem.From(err)
		if errors.Is(err, context.Canceled) {
			p = problem.New(problem.Cancelled, "The sign-in was stopped.", "Start it again when you are ready.").Because(err)
		}
		s.log.Warn("sign-in failed", "flow", o.Flow, "problem", p)
		return Status{}, p
	}
	return s.Status(), nil
}

func (s *Session) signIn(ctx context.Context, a *attempt, o ConnectOptions) error {
	shared := s.file.SignIn(string(o.Flow))
	tokens.LetKeyringAsk()
	if now := s.cache.look(); now.withheld && tokens.Newer(now.problem) {
		return now.problem
	}
	// Before anybody goes to the trouble of signing in for nothing.
	room, err := s.cache.file.Reserve()
	if err == nil {
		room.Release()
	} else if !o.InMemory || tokens.KeyringFault(err) {
		return err
	}
	if place.CI() {
		return problem.New(problem.LoginRequired, "Nobody can sign in here: this is a CI job (the variable CI is set).",
			"Use auth_method client_credentials, or bring a session along: mount the directory of its tokens. If somebody is here, unset CI.")
	}
	made := signin.Attempt{
		Domain: s.domain, Config: s.config, Patience: s.patience, Answers: a.pasted,
		Keep: func(tokens tokens.Tokens) error { return s.begin(ctx, tokens, o.InMemory) },
		Show: func(p signin.Prompt) {
			// The other flows are meant for a browser elsewhere.
			p.BrowserOpened = o.OpenBrowser && p.Flow == signin.Browser && signin.OpenBrowser(p.URL, s.config.Environ())
			s.log.Info("the person is asked", "flow", p.Flow, "expiresAt", p.ExpiresAt, "browserOpened", p.BrowserOpened)
			// Without it the other processes make a sign-in of their own.
			if err := signin.Announce(shared, p); err != nil {
				s.log.Warn("the sign-in could not be announced", "err", err)
			}
			o.Prompt(p)
		},
	}
	if o.Flow != signin.Paste {
		unlock, ok, err := shared.TryLock()
		if !ok && err == nil {
			return s.follow(ctx, shared, o.Prompt)
		}
		if err == nil {
			defer unlock()
		}
	}
	if o.Flow != signin.Device {
		s.takesPaste(a)
	}
	return made.Make(ctx, o.Flow)
}

// Answer hands in a redirect URL, or the code alone, that the person pasted. Its
// error says what is wrong with it; the sign-in then goes on waiting.
func (s *Session) Answer(ctx context.Context, redirect string) error {
	s.mu.Lock()
	a := s.attempt
	waits := a != nil && a.takesPaste
	s.mu.Unlock()
	nobodyWaits := problem.New(problem.LoginDenied, "No sign-in is waiting for a pasted address.", "Start one with /connect.")
	if !waits {
		return nobodyWaits
	}
	reply := make(chan error, 1)
	select {
	case a.pasted <- signin.Answer{Text: redirect, Reply: reply}:
		return <-reply
	case <-a.done:
		return nobodyWaits
	case <-ctx.Done():
		return problem.From(context.Cause(ctx))
	}
}

// Disconnect ends the session at the domain and on the disk. revoked reports
// whether the domain confirmed it; the tokens are erased in any case.
func (s *Session) Disconnect(ctx context.Context) (revoked bool, err error) {
	s.cancelAttempt(problem.New(problem.Cancelled, "The session was signed out.", "Sign in again."))
	err = s.cache.update(ctx, nil, func(now cached, w *writer) error {
		if now.withheld && tokens.Newer(now.problem) {
			return now.problem
		}
		if !now.Refresh.Empty() {
			if err := s.domain.Revoke(ctx, now.Tokens); err != nil {
				s.log.Warn("the domain did not confirm the sign-out", "problem", problem.From(err))
			} else {
				revoked = true
			}
		}
		err := w.erase()
		if tokens.KeyringFault(err) && now.Refresh.Empty() {
			problem.From(err).Hint += " The session was not ended at the domain, because nobody could read its refresh token."
		}
		if s.cache.get().Empty() {
			s.log.Info("signed out", "revoked", revoked)
		}
		return err
	})
	return revoked, err
}

// begin saves the tokens of a new sign-in. A file of a newer version is left
// unharmed.
func (s *Session) begin(ctx context.Context, fresh tokens.Tokens, inMemory bool) error {
	return s.cache.update(ctx, nil, func(now cached, w *writer) error {
		if now.withheld && tokens.Newer(now.problem) {
			return now.problem
		}
		if err := w.save(fresh); err != nil && !inMemory {
			return err
		}
		s.log.Info("signed in", "subject", fresh.Subject, "expiresAt", fresh.ExpiresAt, "refreshable", !fresh.Refresh.Empty())
		if fresh.Refresh.Empty() {
			s.log.Warn("the domain gave no refresh token: the session ends with its access token. " + RefreshSwitches)
		}
		return nil
	})
}

// takesPaste lets an attempt take what the person pastes.
func (s *Session) takesPaste(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.takesPaste = true
}

// RefreshSwitches tells what must be on for a domain to give a refresh token.
const RefreshSwitches = `A refresh token needs three switches: the application's "Refresh token" grant, ` +
	`offline_access in scope, and "Allow token refresh" of the resource application.`

// beginAttempt makes this the sign-in that is going on, after the one before has
// let go of its port.
func (s *Session) beginAttempt(ctx context.Context) (context.Context, *attempt) {
	ctx, cancel := context.WithCancelCause(ctx)
	a := &attempt{cancel: cancel, pasted: make(chan signin.Answer), done: make(chan struct{})}
	s.mu.Lock()
	before := s.attempt
	s.attempt = a
	s.mu.Unlock()
	if before != nil {
		before.cancel(problem.New(problem.Cancelled, "Another sign-in was started.", "Finish that one, or start again."))
		<-before.done
	}
	return ctx, a
}

func (s *Session) endAttempt(a *attempt) {
	a.cancel(nil)
	close(a.done)
	s.mu.Lock()
	if s.attempt == a {
		s.attempt = nil
	}
	s.mu.Unlock()
}

func (s *Session) cancelAttempt(why *problem.Problem) {
	s.mu.Lock()
	a := s.attempt
	s.mu.Unlock()
	if a != nil {
		a.cancel(why)
		<-a.done
	}
}
