package oidc

import (
	"context"
	"errors"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/place"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// Flows returns the flows that the configuration allows, the default first. It returns
// none if the session needs no person.
func (s *Session) Flows() []signin.Flow { return signin.Flows(s.config) }

// ConnectOptions are the options of [Session.Connect].
type ConnectOptions struct {
	Flow        signin.Flow         // "" for the first of [Session.Flows]
	OpenBrowser bool                // in the browser flow, open the URL in a browser
	InMemory    bool                // go on if tokens cannot be saved; for a process that keeps running with them in memory
	Prompt      func(signin.Prompt) // called at most once, with what to show the person; must not be nil
}

// An attempt is a sign-in in progress.
type attempt struct {
	cancel     context.CancelCauseFunc
	pasted     chan signin.Answer
	takesPaste bool          // the flow reads from pasted
	done       chan struct{} // closed when the sign-in has ended
}

// Connect signs the person in and returns the session's new status. It returns when the
// person has signed in, when their time is over, when ctx ends, or when another Connect
// begins. If another process is already doing the same sign-in, Connect shows that
// process's prompt and waits for its result. If the session needs no person, Connect
// only requests a token.
func (s *Session) Connect(ctx context.Context, o ConnectOptions) (Status, error) {
	if s.config.AuthMethod.Unattended() {
		_, err := s.Refresh(ctx)
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
	if current := s.cache.latest(); current.withheld && tokens.Newer(current.problem) {
		return current.problem
	}
	// Do not let a person sign in whose tokens could not be saved.
	room, err := s.cache.file.Reserve(true)
	if err == nil {
		room.Release()
	} else if !o.InMemory || tokens.KeyringFault(err) {
		return err
	}
	if place.CI() {
		return problem.New(problem.LoginRequired, "Nobody can sign in here: this is a CI job (the variable CI is set).",
			"Use auth_method client_credentials, or bring a session along: mount the directory of its tokens. If somebody is here, unset CI.")
	}
	attempt := signin.Attempt{
		Domain: s.domain, Config: s.config, Patience: s.signInTime, Answers: a.pasted,
		Keep: func(tokens tokens.Tokens) error { return s.begin(ctx, tokens, o.InMemory) },
		Show: func(p signin.Prompt) {
			// The other flows are meant for a browser on another machine.
			p.BrowserOpened = o.OpenBrowser && p.Flow == signin.Browser && signin.OpenBrowser(p.URL, s.config.Environ())
			s.log.Info("the person is asked", "flow", p.Flow, "expiresAt", p.ExpiresAt, "browserOpened", p.BrowserOpened)
			// If this fails, other processes cannot show the prompt; they wait all the same.
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
		s.mu.Lock()
		a.takesPaste = true
		s.mu.Unlock()
	}
	return attempt.Make(ctx, o.Flow)
}

// Answer gives the sign-in in progress what the person pasted: the redirect URL or only
// the authorization code. Its error says what is wrong with the text. If the text is not
// an answer to this sign-in, the sign-in goes on and Answer can be called again; an error
// from the domain (access_denied, for example) ends the sign-in.
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

// Disconnect revokes the refresh token (RFC 7009) and erases the tokens. revoked reports
// whether the domain confirmed the revocation; the tokens are erased in any case, except
// if they are in a file of a newer version.
func (s *Session) Disconnect(ctx context.Context) (revoked bool, err error) {
	s.cancelAttempt(problem.New(problem.Cancelled, "The session was signed out.", "Sign in again."))
	err = s.cache.update(ctx, nil, func(current cached, w *writer) error {
		if current.withheld && tokens.Newer(current.problem) {
			return current.problem
		}
		if !current.Refresh.Empty() {
			if err := s.domain.Revoke(ctx, current.Tokens); err != nil {
				s.log.Warn("the domain did not confirm the sign-out", "problem", problem.From(err))
			} else {
				revoked = true
			}
		}
		err := w.erase()
		if tokens.KeyringFault(err) && current.Refresh.Empty() {
			problem.From(err).Hint += " The session was not ended at the domain, because nobody could read its refresh token."
		}
		if s.cache.get().Empty() {
			s.log.Info("signed out", "revoked", revoked)
		}
		return err
	})
	return revoked, err
}

// begin saves the tokens of a new sign-in. It does not overwrite a file of a newer
// version.
func (s *Session) begin(ctx context.Context, fresh tokens.Tokens, inMemory bool) error {
	return s.cache.update(ctx, nil, func(current cached, w *writer) error {
		if current.withheld && tokens.Newer(current.problem) {
			return current.problem
		}
		_ = w.reserve(true) // save returns the error
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

// TakesPaste reports whether a sign-in is in progress that [Session.Answer] can answer.
func (s *Session) TakesPaste() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt != nil && s.attempt.takesPaste
}

// StopSignIn stops the sign-in in progress, if there is one, because another one begins.
func (s *Session) StopSignIn() { s.cancelAttempt(anotherBegun()) }

// RefreshSwitches tells a person which settings a domain needs to issue refresh tokens.
const RefreshSwitches = `A refresh token needs three switches: the application's "Refresh token" grant, ` +
	`offline_access in scope, and "Allow token refresh" of the resource application.`

// beginAttempt starts an attempt. It cancels the one before and waits until that has
// closed its listener, because both use the same port.
func (s *Session) beginAttempt(ctx context.Context) (context.Context, *attempt) {
	ctx, cancel := context.WithCancelCause(ctx)
	a := &attempt{cancel: cancel, pasted: make(chan signin.Answer), done: make(chan struct{})}
	s.mu.Lock()
	before := s.attempt
	s.attempt = a
	s.mu.Unlock()
	if before != nil {
		before.cancel(anotherBegun())
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

func anotherBegun() *problem.Problem {
	return problem.New(problem.Cancelled, "Another sign-in was started.", "Finish that one, or start again.")
}
