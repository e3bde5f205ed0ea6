// Package storm makes many helper processes need a token at the moment when the access
// token has expired, which is when one-time refresh tokens get lost. It calls the real
// helper over JSON-RPC, and can kill some of the processes.
package storm

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/machine"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// Options of a storm.
type Options struct {
	Helper    string        // the helper's program
	Processes int           // that want a token at once
	Calls     int           // of each process in a round
	Latency   time.Duration // of the domain's token endpoint
	Kill      int           // processes that are killed in each round, at random times
	Home      string        // an empty directory for all of them
}

// A Round is the outcome of one round.
type Round struct {
	Requests int           // to the token endpoint
	Wall     time.Duration // from the first call to the last answer
	Answers  int           // valid tokens
	Failures []string      // what calls of processes that were not killed were told instead
	Killed   int
	// Lost reports that the session could not be refreshed afterwards, and InFlight
	// that a process was killed in the middle of a refresh, which alone excuses it.
	Lost, InFlight bool
}

// A Storm is a stand-in domain with the helpers of one user.
type Storm struct {
	Options
	*machine.Machine
	helpers []*machine.Helper
}

// Begin starts the domain and the helpers.
func Begin(o Options) (*Storm, error) {
	m, err := machine.New(o.Home, domaintest.Options{TokenLatency: o.Latency})
	if err != nil {
		return nil, err
	}
	s := &Storm{Options: o, Machine: m, helpers: make([]*machine.Helper, o.Processes)}
	err = s.SignIn()
	for i := range s.helpers {
		if err == nil {
			s.helpers[i], err = m.StartHelper(o.Helper)
		}
	}
	if err != nil {
		s.End()
		return nil, err
	}
	return s, nil
}

// End ends the helpers and the domain.
func (s *Storm) End() {
	for _, h := range s.helpers {
		if h != nil {
			h.Kill()
		}
	}
	s.Machine.Close()
}

// Round makes the access token expire, calls getToken on every helper, and checks what is
// left of the session.
func (s *Storm) Round() (Round, error) {
	if err := s.Expire(); err != nil {
		return Round{}, err
	}
	var (
		round   Round
		mu      sync.Mutex
		calls   sync.WaitGroup
		killers sync.WaitGroup
		before  = s.Server.Count(domaintest.Token)
		start   = make(chan struct{})
	)
	for _, h := range s.helpers {
		for range s.Calls {
			calls.Go(func() {
				<-start
				token, err := h.GetToken()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && token != "":
					round.Answers++
				case !h.Dead():
					round.Failures = append(round.Failures, fmt.Sprint(err))
				}
			})
		}
	}
	for _, i := range rand.Perm(len(s.helpers))[:s.Kill] {
		killers.Go(func() {
			<-start
			time.Sleep(rand.N(s.Latency + s.Latency/2))
			refreshing := s.helpers[i].Halt()
			s.helpers[i].Kill()
			mu.Lock()
			defer mu.Unlock()
			round.Killed++
			round.InFlight = round.InFlight || refreshing
		})
	}
	began := time.Now()
	close(start)
	calls.Wait()
	round.Wall = time.Since(began)
	killers.Wait()
	round.Requests = s.Server.Count(domaintest.Token) - before
	return round, s.mend(&round)
}

// mend replaces the killed helpers, and finds out with one of them whether the
// session can be refreshed; a lost one is replaced by a new sign-in.
func (s *Storm) mend(round *Round) error {
	if round.Killed == 0 {
		return nil
	}
	for i, h := range s.helpers {
		if !h.Dead() {
			continue
		}
		fresh, err := s.StartHelper(s.Helper)
		if err != nil {
			return err
		}
		s.helpers[i] = fresh
	}
	if err := s.Expire(); err != nil {
		return err
	}
	if _, err := s.helpers[rand.N(len(s.helpers))].GetToken(); err != nil {
		round.Lost = true
		return s.SignIn()
	}
	return nil
}
