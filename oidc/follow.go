package oidc

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// followPoll is how often a window looks for the end of another's sign-in.
const followPoll = 100 * time.Millisecond

// announce tells the other processes what the person is shown. Without it they
// make a sign-in of their own, so a failure is not worth a word to the person.
func (s *Session) announce(shared store.SignIn, p Prompt) {
	if p.Flow == Paste {
		return
	}
	text, err := json.Marshal(p)
	if err == nil {
		err = shared.Announce(text)
	}
	if err != nil {
		s.log.Warn("the sign-in could not be announced", "err", err)
	}
}

// follow waits with a sign-in that another process makes: it shows that one's
// prompt, and ends well when new tokens are there.
func (s *Session) follow(ctx context.Context, shared store.SignIn, show func(Prompt)) error {
	s.log.Info("another window is at the same sign-in")
	s.mu.Lock()
	s.notice()
	before := s.held.fingerprint
	s.mu.Unlock()
	// A process that hangs keeps its lock: it is not waited for longer than its
	// own sign-in is good for.
	const late = 10 * time.Second
	deadline := time.Now().Add(s.domain.patience)
	shown := false
	for {
		if !shown {
			if p, ok := announced(shared); ok {
				shown, deadline = true, p.ExpiresAt
				show(p)
			}
		}
		// The lock first: the tokens are there before it is free.
		unlock, over, err := shared.TryLock()
		if over {
			unlock()
		}
		if s.replacedByOther(before) {
			return nil
		}
		if over || err != nil || time.Now().After(deadline.Add(late)) {
			return problem.New(problem.LoginTimeout, "The sign-in that another window had begun was not finished.", "Start again; if that does not help, end the other oci-oidc-helper.")
		}
		select {
		case <-ctx.Done():
			return problem.From(context.Cause(ctx))
		case <-time.After(followPoll):
		}
	}
}

// announced reads another process's prompt. The browser, if any, was that one's.
func announced(shared store.SignIn) (Prompt, bool) {
	var p Prompt
	if json.Unmarshal(shared.Announced(), &p) != nil {
		return Prompt{}, false
	}
	p.URL, p.CompleteURL = secured(p.URL), secured(p.CompleteURL)
	if !secureURL(p.URL) || (p.Flow != Browser && p.Flow != Device) {
		return Prompt{}, false
	}
	if !secureURL(p.CompleteURL) {
		p.CompleteURL = ""
	}
	p.UserCode = printable(p.UserCode, userCodeSize)
	return p, true
}
