package oidc

import (
	"context"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// followPoll is how often a process checks whether another one's sign-in has ended.
const followPoll = 100 * time.Millisecond

// follow waits for a sign-in in another process. It shows that process's prompt, and
// returns nil when new tokens are on the disk.
func (s *Session) follow(ctx context.Context, shared tokens.SignIn, show func(signin.Prompt)) error {
	s.log.Info("another window is at the same sign-in")
	before := s.cache.latest().fingerprint
	deadline, shown := time.Now().Add(s.signInTime), false
	for {
		if !shown {
			if p, ok := signin.Announced(shared); ok {
				shown, deadline = true, p.ExpiresAt
				show(p)
			}
		}
		// Until the other process releases the lock, new tokens come from a refresh.
		unlock, free, err := shared.TryLock()
		if free {
			unlock()
		}
		// A process that hangs keeps its lock: wait a little longer than its prompt is valid.
		if free || err != nil || time.Since(deadline) > 10*time.Second {
			if s.replacedByOther(s.cache.latest(), before) {
				return nil
			}
			return problem.New(problem.LoginTimeout, "The sign-in that another window had begun was not finished.", "Start again; if that does not help, end the other oci-oidc-helper.")
		}
		select {
		case <-ctx.Done():
			return problem.From(context.Cause(ctx))
		case <-time.After(followPoll):
		}
	}
}
