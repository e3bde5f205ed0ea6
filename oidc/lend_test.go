package oidc

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// TestLend has a row for each age of a token of one hour: for how long it is lent.
func TestLend(t *testing.T) {
	for _, test := range []struct {
		name        string
		age         time.Duration
		least, most time.Duration
	}{
		{"new", 0, leaseLength - leaseStep, leaseLength},
		{"in the middle of its life", 30 * time.Minute, leaseLength - leaseStep, leaseLength},
		{"just before its refresh", 53 * time.Minute, 3 * time.Minute, leaseLength},
		{"while it is refreshed", 57*time.Minute + 30*time.Second, 0, time.Minute},
		{"nearly over", 59 * time.Minute, 0, 0},
		{"from the future", -2 * time.Minute, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			tokens := w.signedIn()
			tokens.IssuedAt, tokens.ExpiresAt = tokens.IssuedAt.Add(-test.age), tokens.IssuedAt.Add(time.Hour-test.age)
			w.save(tokens)
			s := w.session()
			token, ok, err := s.Ready("")
			if !ok || err != nil {
				t.Fatal(err)
			}
			var length time.Duration
			if until := s.Lend(token); !until.IsZero() {
				length = time.Until(until)
			}
			if length < test.least-time.Second || length > test.most {
				t.Errorf("lent for %s", length)
			}
			s.background.Wait()
		})
	}
}

func TestOnlyTheCurrentTokenIsLent(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.signedIn()
	s := w.session()
	old := w.mustToken(s, "")
	if _, ok, _ := s.Ready(old.Access.Fingerprint()); ok {
		t.Fatal("the rejected token was returned")
	}
	if !s.Lend(old).IsZero() {
		t.Error("a rejected token was lent")
	}
	fresh := w.mustToken(s, old.Access.Fingerprint())
	if !s.Lend(old).IsZero() {
		t.Error("a replaced token was lent")
	}
	if s.Lend(fresh).IsZero() {
		t.Error("the one that replaced it was not")
	}
	s.Close()
	if !s.Lend(fresh).IsZero() {
		t.Error("a session that is closed lends")
	}
}

// TestLeaseEndsWithASignOutElsewhere: a lease ends when another process signs out. The file is not
// polled while there is no lease.
func TestLeaseEndsWithASignOutElsewhere(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		w.signedIn()
		s := w.session()
		var told []Status
		s.OnChange(func(status Status) { told = append(told, status) })
		token := w.mustToken(s, "")
		told = nil
		until := s.Lend(token)

		time.Sleep(time.Minute)
		file := tokens.Open(w.places, w.config)
		unlock, _, err := file.TryLock()
		if err = errors.Join(err, file.Erase()); err != nil {
			t.Fatal(err)
		}
		unlock()
		time.Sleep(leasePoll)
		synctest.Wait()
		if len(told) != 1 || told[0].SignedIn {
			t.Errorf("told %+v", told)
		}

		time.Sleep(time.Until(until) + leasePoll)
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.watchTimer != nil {
			t.Error("the file is polled without a lease")
		}
	})
}

// TestHoursOfLending uses a lease every 20 s for six hours, as the shim does: it asks for
// the next one in the background after each use and after each change. Only the first
// use waits.
func TestHoursOfLending(t *testing.T) {
	for _, expiresIn := range []int{300, 3600} {
		w := newWorld(t, domaintest.Options{ExpiresIn: expiresIn}, config.ConfidentialApp)
		w.bubble(func(t *testing.T) {
			w.signedIn()
			s := w.session()
			var mu sync.Mutex
			var held Token
			var until time.Time
			ask := func() {
				token, ok, err := s.Ready("")
				if !ok || err != nil {
					t.Errorf("a question had to wait: %v", err)
				}
				end := s.Lend(token)
				mu.Lock()
				held, until = token, end
				mu.Unlock()
			}
			s.OnChange(func(Status) { ask() })
			overAt := func(end *time.Time) bool {
				mu.Lock()
				defer mu.Unlock()
				return !time.Now().Before(*end)
			}
			waited := 0
			for range int(6 * time.Hour / (20 * time.Second)) {
				if overAt(&until) {
					waited++
				}
				ask()
				if overAt(&held.ExpiresAt) {
					t.Fatal("an expired token was used")
				}
				time.Sleep(20 * time.Second)
				synctest.Wait()
			}
			if waited != 1 {
				t.Errorf("%d s tokens: %d uses waited", expiresIn, waited)
			}
		})
	}
}
