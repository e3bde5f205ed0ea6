package oidc

import (
	"context"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// followPoll is how often a window looks for the end of another's sign-in.
const followPoll = 100 * time.Millisecond

// follow waits with a sign-in that another process makes: it shows that one's
// prompt, and ends well when new tokens are there.
func (s *Session) follow(ctx context.Context, shared tokens.SignIn, show func(signin.Prompt)) error {
	s.log.Info("another window is at the same sign-in")
	before := s.cache.look().fingerprint
	// A process that hangs keeps its lock: it is not waited for longer than its
	// own sign-in is good for.
	const late = 10 * time.Second
	deadline := time.Now().Add(s.patience)
	shown := false
	for {
		if !shown {
			if p, ok := signin.Announced(shared); ok {
				shown, deadline = true, p.ExpiresAt
				show(p)
			}
		}
		// The lock first: the tokens are there before it is free.
		unlock, over, err := shared.TryLock()
		if over {
			unlock()
		}
		if s.replacedByOther(s.cache.look(), before) {
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
