package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

func TestNotSignedIn(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	s := w.session()
	for range 3 {
		_, err := s.Token(t.Context(), "")
		if !problem.Is(err, problem.LoginRequired) || problem.From(err).Retryable || !strings.Contains(err.Error(), "/connect") {
			t.Errorf("%v", err)
		}
	}
	if n := w.Count(domaintest.Discovery) + w.Count(domaintest.Token); n != 0 {
		t.Errorf("the domain was asked %d times", n)
	}
}

func TestOneRefreshForAllCallers(t *testing.T) {
	w := newWorld(t, domaintest.Options{TokenLatency: 50 * time.Millisecond}, config.ConfidentialApp)
	old := w.expired()
	sessions := make([]*Session, 10) // as many processes
	for i := range sessions {
		sessions[i] = w.session()
	}
	var calls sync.WaitGroup
	for i := range 100 {
		calls.Go(func() {
			ctx := t.Context()
			if i%10 == 3 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 10*time.Millisecond)
				defer cancel()
			}
			token, err := sessions[i%len(sessions)].Token(ctx, "")
			if ctx.Err() != nil && err != nil {
				return // gave up, alone
			}
			if err != nil || token.Access == old.Access {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	calls.Wait()
	if n := w.Count(domaintest.Token); n != 1 {
		t.Errorf("%d refreshes", n)
	}
	if n := w.Count(domaintest.Discovery); n != 0 {
		t.Errorf("%d discoveries", n)
	}
}

func TestRefreshTokenIsKeptIfNoneIsReturned(t *testing.T) {
	w := newWorld(t, domaintest.Options{Rotation: domaintest.Omit}, config.ConfidentialApp)
	old := w.expired()
	w.mustToken(w.session(), "")
	if saved := w.saved(); saved.Refresh != old.Refresh || saved.Subject != old.Subject {
		t.Errorf("saved %+v", saved)
	}
}

func TestOtherWindowsSeeChanges(t *testing.T) {
	w := newWorld(t, domaintest.Options{AutoApprove: true}, config.ConfidentialApp)
	here, there := w.session(), w.session()
	var changes []Status
	there.OnChange(func(s Status) { changes = append(changes, s) })
	if _, err := there.Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) {
		t.Fatal(err)
	}
	prompt, ended := connecting(t, here, signin.Browser)
	if _, _, _, err := browse(t.Context(), prompt.URL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	signedIn := w.mustToken(there, "")
	if _, err := here.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.mustToken(there, "").Access == signedIn.Access {
		t.Error("the refresh was not noticed")
	}
	if _, err := here.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := there.Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) {
		t.Errorf("after the sign-out: %v", err)
	}
	if len(changes) != 3 || !changes[0].SignedIn || !changes[1].SignedIn || changes[2].SignedIn {
		t.Errorf("changes %+v", changes)
	}
	if n := w.Count(domaintest.Token); n != 2 {
		t.Errorf("%d token requests", n)
	}
}

func TestRejectedByTheEndpoint(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.signedIn()
	s := w.session()
	first := w.mustToken(s, "")
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() {
			if token, err := s.Token(t.Context(), first.Access.Fingerprint()); err != nil || token.Access == first.Access {
				t.Errorf("after a rejection: %v", err)
			}
		})
	}
	calls.Wait()
	if n := w.Count(domaintest.Token); n != 1 {
		t.Fatalf("%d refreshes", n)
	}
	second := w.mustToken(s, first.Access.Fingerprint())
	_, err := s.Token(t.Context(), second.Access.Fingerprint())
	if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "https://llm.example.com") {
		t.Errorf("the new token is rejected too: %v", err)
	}
	// A token that the endpoint accepted for a while is refreshed again.
	s.mu.Lock()
	s.cache.change(func(c *cache) { c.memory.IssuedAt = c.memory.IssuedAt.Add(-2 * justIssued) })
	s.mu.Unlock()
	if token := w.mustToken(s, second.Access.Fingerprint()); token.Access == second.Access {
		t.Error("the second token was not replaced")
	}
	if _, err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := w.mustToken(s, "")
	if _, err := s.Token(t.Context(), third.Access.Fingerprint()); err != nil {
		t.Errorf("a token that replaced no rejected one: %v", err)
	}
}

// The domain issues the same access token until it expires. If the endpoint rejects that
// token, it is refreshed only once, and the problem does not blame the clock.
func TestDomainReissuesTheRejectedToken(t *testing.T) {
	w := newWorld(t, domaintest.Options{SameAccessToken: true}, config.ConfidentialApp)
	w.signedIn()
	s := w.session()
	first := w.mustToken(s, "")
	before := w.Count(domaintest.Token)
	for range 3 {
		_, err := s.Token(t.Context(), first.Access.Fingerprint())
		if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "The endpoint ") || strings.Contains(err.Error(), "clock") {
			t.Errorf("%v", err)
		}
	}
	if n := w.Count(domaintest.Token) - before; n != 1 {
		t.Errorf("%d refreshes", n)
	}
	if status := s.Status(); !status.SignedIn {
		t.Errorf("%+v", status)
	}
}

// A token in doubt is refreshed once. If the refresh returns the same token, it is still lent.
func TestTokenInDoubtIsRefreshedOnce(t *testing.T) {
	for name, same := range map[string]bool{"another token": false, "the same token": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{SameAccessToken: same}, config.ConfidentialApp)
			w.signedIn()
			s := w.session()
			first := w.mustToken(s, "")
			before := w.Count(domaintest.Token)
			var calls sync.WaitGroup
			for range 10 {
				calls.Go(func() {
					got, err := s.Another(t.Context(), first.Access.Fingerprint())
					if err != nil || got.Access == first.Access || got.Access.Empty() != same {
						t.Errorf("a doubted token: %v, %v", got.ExpiresAt, err)
					}
				})
			}
			calls.Wait()
			second := w.mustToken(s, "")
			for range 2 {
				if got, err := s.Another(t.Context(), second.Access.Fingerprint()); err != nil || !got.Access.Empty() {
					t.Errorf("the new one is doubted, too: %v, %v", got.ExpiresAt, err)
				}
			}
			if s.Lend(second).IsZero() || !s.Status().SignedIn {
				t.Errorf("not lent: %+v", s.Status())
			}
			if n := w.Count(domaintest.Token) - before; n != 1 {
				t.Errorf("%d refreshes", n)
			}
		})
	}
}

func TestStatusAfterTheEnd(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.signedIn()
	w.RevokeRefreshTokens()
	s := w.session()
	token := w.mustToken(s, "")
	if _, err := s.Token(t.Context(), token.Access.Fingerprint()); !problem.Is(err, problem.LoginRequired) {
		t.Errorf("%v", err)
	}
	if status := s.Status(); status.SignedIn || !problem.Is(status.Problem, problem.LoginRequired) {
		t.Errorf("status %+v", status)
	}
}

func TestSkewedClocksAreNamed(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.signedIn()
	w.Clock.Advance(2 * time.Hour)
	s := w.session()
	fresh := w.mustToken(s, w.saved().Access.Fingerprint())
	_, err := s.Token(t.Context(), fresh.Access.Fingerprint())
	if err == nil || !strings.Contains(err.Error(), "clock differs from the domain's by ") {
		t.Errorf("%v", err)
	}
}

// A caller asks for the token every 30 s, for 24 hours, or for two where a token lives for a
// minute (120 refreshes and more), and never waits.
func TestNoRequestWaitsDuringADay(t *testing.T) {
	for expiresIn, day := range map[int]time.Duration{60: 2 * time.Hour, 3600: 24 * time.Hour, 27261: 24 * time.Hour} {
		if runtime.GOOS == "windows" { // under wine each look at the file, and each save, costs
			day = 20 * time.Minute
		}
		w := newWorld(t, domaintest.Options{ExpiresIn: expiresIn}, config.ConfidentialApp)
		w.bubble(func(t *testing.T) {
			w.signedIn()
			s := w.session()
			requests := int(day / (30 * time.Second))
			for range requests {
				if token, ok, err := s.Ready(""); !ok || err != nil || !time.Now().Before(token.ExpiresAt) {
					t.Fatalf("a request had to wait: %v", err)
				}
				time.Sleep(30 * time.Second)
			}
			most := int(day/time.Second)/expiresIn*3/2 + 1
			if n := w.Count(domaintest.Token); n > most {
				t.Errorf("%d s tokens: %d refreshes, more than %d", expiresIn, n, most)
			}
		})
	}
}

// TestUnusedSessionIsNotRefreshed: the background refresh stops if no caller asks for a token.
func TestUnusedSessionIsNotRefreshed(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		w.signedIn()
		s := w.session()
		w.mustToken(s, "")
		time.Sleep(24 * time.Hour)
		if n := w.Count(domaintest.Token); n != 0 {
			t.Errorf("%d refreshes of an unused session", n)
		}
		w.mustToken(s, "")
	})
}

func TestClockSetBack(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	tokens := w.signedIn()
	tokens.IssuedAt = tokens.IssuedAt.Add(2 * time.Hour)
	tokens.ExpiresAt = tokens.ExpiresAt.Add(2 * time.Hour)
	w.save(tokens)
	s := w.session()
	if token := w.mustToken(s, ""); token.Access != tokens.Access {
		t.Error("a token that may be valid was not served")
	}
	s.background.Wait()
	if token := w.mustToken(s, ""); token.Access == tokens.Access {
		t.Error("the token from the future was not replaced")
	}
}

// TestFailedRefreshes has a row for each way in which a refresh fails: the error that a caller
// gets when no valid token is left, and whether the session survives. While the old
// token is valid, callers get no error.
func TestFailedRefreshes(t *testing.T) {
	for _, test := range []struct {
		name      string
		fault     domaintest.FaultKind
		kind      problem.Kind
		retryable bool
		inDoubt   bool // the refresh token may be used up
	}{
		{"too many requests", domaintest.Throttle, problem.Throttled, true, false},
		{"a server error", domaintest.ServerError, problem.Domain, true, false},
		{"maintenance", domaintest.Unavailable, problem.Domain, true, false},
		{"a proxy's 401 page", domaintest.Unauthorized, problem.Domain, true, false},
		{"a proxy that wants a password", domaintest.ProxyAuth, problem.Network, false, false},
		{"a captive portal", domaintest.Portal, problem.Domain, true, true},
		{"a reset before the answer", domaintest.Reset, problem.Network, true, true},
		{"a reset after the exchange", domaintest.ResetAfter, problem.Network, true, true},
		{"an endless answer", domaintest.Huge, problem.Domain, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			w.bubble(func(t *testing.T) {
				// While the token is valid: nobody notices.
				tokens := w.signedIn()
				tokens.IssuedAt = tokens.IssuedAt.Add(-58 * time.Minute)
				tokens.ExpiresAt = tokens.ExpiresAt.Add(-58 * time.Minute)
				w.save(tokens)
				s := w.session()
				w.FailAlways(domaintest.Token, domaintest.Fault{Kind: test.fault})
				if token := w.mustToken(s, ""); token.Access != tokens.Access {
					t.Error("another token was served")
				}
				s.background.Wait()
				if saved := w.saved(); saved.Refresh != tokens.Refresh || saved.RefreshSentAt.IsZero() == test.inDoubt {
					t.Errorf("in doubt since %v, refresh token kept: %v", saved.RefreshSentAt, saved.Refresh == tokens.Refresh)
				}

				// A refresh token that may be used up is not sent while the access token is valid.
				time.Sleep(30 * time.Second)
				w.mustToken(s, "")
				s.background.Wait()
				if again := w.Count(domaintest.Token) > 1; again == test.inDoubt {
					t.Errorf("sent again: %v", again)
				}

				// Otherwise: a problem, and the session is kept.
				time.Sleep(10 * time.Minute)
				requests := w.Count(domaintest.Token)
				for range 3 {
					_, err := s.Token(t.Context(), "")
					p := problem.From(err)
					if p == nil || p.Kind != test.kind || p.Retryable != test.retryable {
						t.Errorf("told %+v", p)
					}
				}
				if n := w.Count(domaintest.Token) - requests; n != 1 {
					t.Errorf("%d requests for three calls in a row", n)
				}
				if w.saved().Refresh != tokens.Refresh {
					t.Error("the refresh token was not kept")
				}

				// When the trouble has passed: all is well again, unless the
				// domain did use the token up.
				w.Heal(domaintest.Token)
				time.Sleep(10 * time.Minute)
				_, err := s.Token(t.Context(), "")
				lost := test.fault == domaintest.ResetAfter
				if lost != problem.Is(err, problem.LoginRequired) || !lost && err != nil {
					t.Errorf("in the end: %v", err)
				}
			})
		})
	}
}

// The token response ends after the access token, which is used. The old refresh token may be
// used up, so it is not sent until the access token has expired.
func TestTruncatedTokenResponse(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		old := w.expired()
		s := w.session()
		w.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Truncate})
		token := w.mustToken(s, "")
		if saved := w.saved(); token.Access == old.Access || saved.Access != token.Access || saved.Refresh != old.Refresh || saved.RefreshSentAt.IsZero() {
			t.Errorf("saved %+v", saved)
		}
		w.Heal(domaintest.Token)
		time.Sleep(58 * time.Minute)
		w.mustToken(s, "")
		s.background.Wait()
		if n := w.Count(domaintest.Token); n != 1 {
			t.Errorf("%d token requests", n)
		}
		time.Sleep(3 * time.Minute)
		if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) || w.Count(domaintest.Token) != 2 {
			t.Errorf("in the end: %v after %d token requests", err, w.Count(domaintest.Token))
		}
	})
}

// The domain answers with a refresh token and no access token. The refresh token is saved
// before the caller gets the error, and the next refresh uses it.
func TestResponseWithOnlyARefreshToken(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		old := w.expired()
		w.replaceIn(domaintest.Token, `"access_token":`, `"no_access_token":`)
		s := w.session()
		if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.Domain) {
			t.Error(err)
		}
		if saved := w.saved(); saved.Refresh == old.Refresh || saved.Refresh.Empty() || saved.Access != old.Access {
			t.Errorf("saved %+v", saved)
		}
		w.Change(func(o *domaintest.Options) { o.Tamper = nil })
		time.Sleep(2 * time.Minute)
		w.mustToken(s, "")
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		w.expired()
		s := w.session()
		w.Fail(domaintest.Token, domaintest.Fault{Kind: domaintest.Throttle, RetryAfter: 5 * time.Minute})
		for range 9 { // four and a half minutes
			if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.Throttled) {
				t.Errorf("%v", err)
			}
			time.Sleep(30 * time.Second)
		}
		if n := w.Count(domaintest.Token); n != 1 {
			t.Errorf("%d requests", n)
		}
		time.Sleep(time.Minute)
		w.mustToken(s, "")
	})
}

func TestTheDomainEndsTheSession(t *testing.T) {
	for _, status := range []int{400, 401} {
		w := newWorld(t, domaintest.Options{ReuseStatus: status}, config.ConfidentialApp)
		w.expired()
		w.RevokeRefreshTokens()
		s := w.session()
		for range 3 {
			if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) {
				t.Errorf("%v", err)
			}
		}
		if _, err := w.session().Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) {
			t.Errorf("another window: %v", err)
		}
		if n := w.Count(domaintest.Token) + w.Count(domaintest.Discovery); n != 1 {
			t.Errorf("%d requests to the domain", n)
		}
	}
}

func TestRefreshLosesToAnotherProcess(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	tok := w.expired()
	s := w.session()
	// A process without our lock, such as one on a machine that shares the home,
	// uses the token up and saves its successor while we wait for the answer.
	fresh, _, err := s.domain.Refresh(t.Context(), tok)
	if err != nil {
		t.Fatal(err)
	}
	w.Change(func(o *domaintest.Options) {
		o.Tamper = func(_ domaintest.Operation, response http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			_, _ = tokens.Open(w.places, w.config).Save(fresh)
			honest(response, r)
		}
	})
	if token := w.mustToken(s, ""); token.Access != fresh.Access {
		t.Error("another token")
	}
}

// Another process may refresh an expired token after this one has read it. This process
// then uses the other's token and does not refresh.
func TestAnotherProcessRefreshedFirst(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	tokens := w.expired()
	for name, call := range map[string]func(*Session) (Token, error){
		"token":   func(s *Session) (Token, error) { return s.Token(t.Context(), "") },
		"refresh": func(s *Session) (Token, error) { return s.Refresh(t.Context()) },
	} {
		w.save(tokens)
		fresh, s := tokens, w.session()
		fresh.Access = secret.New("from another process, for " + name)
		fresh.IssuedAt = time.Now()
		fresh.ExpiresAt = fresh.IssuedAt.Add(time.Hour)
		s.OnChange(func(Status) {
			s.OnChange(func(Status) {})
			w.save(fresh)
			s.Status()
		})
		token, err := call(s)
		if err != nil || token.Access != fresh.Access {
			t.Errorf("%s: %v, and another token", name, err)
		}
	}
	if n := w.Count(domaintest.Token); n != 0 {
		t.Errorf("%d requests to the domain", n)
	}
}

func TestSecretChangedAtTheDomain(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	tokens := w.expired()
	w.Change(func(o *domaintest.Options) { o.Clients[0].Secret = "renewed" })
	_, err := w.session().Token(t.Context(), "")
	if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "client_secret") {
		t.Errorf("%v", err)
	}
	if w.saved().Refresh != tokens.Refresh {
		t.Error("the session was ended")
	}
}

// unwritable makes the directory of the tokens unusable until the returned function is
// called.
func (w *world) unwritable() (mend func()) {
	w.t.Helper()
	away := w.places.StateDir + "-away"
	if err := os.Rename(w.places.StateDir, away); err != nil {
		w.t.Fatal(err)
	}
	writeFile(w.t, w.places.StateDir, "in the way")
	return func() {
		if err := errors.Join(os.Remove(w.places.StateDir), os.Rename(away, w.places.StateDir)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestNoRefreshIfTokensCannotBeSaved: a refresh token is not sent if the next one could not be
// saved. A valid access token stays in use; without one the caller gets a problem. The
// session continues when saving works again.
func TestNoRefreshIfTokensCannotBeSaved(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none") // is not asked
	keyring.MockInit()
	for trouble, test := range map[string]struct {
		store config.TokenStore
		begin func(*world) (mend func())
	}{
		"the directory cannot be written to": {config.FileStore, (*world).unwritable},
		"the keyring is gone": {config.KeyringStore, func(*world) func() {
			keyring.MockInitWithError(errors.New("gone"))
			return keyring.MockInit
		}},
	} {
		for _, hasIt := range []bool{false, true} {
			for _, left := range []time.Duration{-time.Minute, time.Minute} {
				t.Run(fmt.Sprintf("%s, in memory %v, %v left", trouble, hasIt, left), func(t *testing.T) {
					w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
					w.config.TokenStore = config.FileStore
					w.bubble(func(t *testing.T) {
						tok := w.signedIn()
						tok.IssuedAt, tok.ExpiresAt = tok.IssuedAt.Add(-time.Hour), time.Now().Add(left)
						w.save(tok)
						s := w.session()
						if hasIt {
							s.Status()
						}
						// The configuration may ask for another form than the file has.
						configured := w.config
						configured.TokenStore = test.store
						s.cache.change(func(c *cache) { c.file = tokensFile{tokens.Open(w.places, configured)} })
						if !hasIt && test.store == config.FileStore {
							return // nobody can read the file either
						}
						mend := test.begin(w)
						token, err := s.Token(t.Context(), "")
						s.background.Wait()
						if left > 0 && (err != nil || token.Access != tok.Access) {
							t.Errorf("the valid token is not served: %v", err)
						}
						if left < 0 && (!problem.Is(err, problem.Store) || !strings.Contains(err.Error(), "was not refreshed")) {
							t.Errorf("told %v", err)
						}
						if p := s.Status().Problem; p == nil || p.Kind != problem.Store {
							t.Errorf("status tells %v", p)
						}
						if n := w.Count(domaintest.Token); n != 0 {
							t.Errorf("%d token requests", n)
						}
						mend()
						time.Sleep(time.Minute)
						if token := w.mustToken(s, ""); token.Access == tok.Access {
							t.Error("not refreshed afterwards")
						}
					})
					if test.store == config.KeyringStore {
						keyring.MockInit()
					}
				})
			}
		}
	}
}

// TestSessionInMemory: without a state directory, a process that keeps running signs in
// and refreshes, and reports its tokens as unsaved; a command that ends after the sign-in
// does not begin one.
func TestSessionInMemory(t *testing.T) {
	w := newWorld(t, domaintest.Options{AutoApproveDevices: true}, config.ConfidentialApp)
	w.places.StateDir = filepath.Join(w.places.Home, "state")
	writeFile(t, filepath.Join(w.places.Home, "in the way"), "")
	w.places.StateDir = "" // no home
	w.bubble(func(t *testing.T) {
		s := w.session()
		_, err := s.Connect(t.Context(), ConnectOptions{Flow: signin.Device, Prompt: func(signin.Prompt) { t.Error("the person is asked") }})
		if !problem.Is(err, problem.Store) {
			t.Errorf("a process that ends: %v", err)
		}
		status, err := s.Connect(t.Context(), ConnectOptions{Flow: signin.Device, InMemory: true, Prompt: func(signin.Prompt) {}})
		if err != nil || !status.SignedIn || !status.Unsaved || s.Unsaved() == nil {
			t.Fatalf("%+v, %v", status, err)
		}
		first := w.mustToken(s, "")
		time.Sleep(2 * time.Hour)
		if second := w.mustToken(s, ""); second.Access == first.Access || s.Unsaved() == nil {
			t.Error("not refreshed in memory")
		}
	})
}

// TestSignOutElsewhereDropsUnsavedTokens: tokens that could not be saved do not come back after
// somebody has signed out.
func TestSignOutElsewhereDropsUnsavedTokens(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		w.signedIn()
		s, other := w.session(), w.session()
		w.mustToken(s, "")
		s.cache.change(func(c *cache) { c.memory.Refresh = secret.New("my-successor") })
		if _, err := other.Disconnect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) {
			t.Errorf("after a sign-out elsewhere: %v", err)
		}
		time.Sleep(2 * saveRetry)
		_, _ = s.Token(t.Context(), "")
		s.background.Wait()
		if !w.saved().Empty() {
			t.Error("the tokens are back")
		}
	})
}

// TestUnsavedTokensYieldToNewerOnes: tokens that could not be saved are saved as soon as that is
// possible, unless another process has saved other tokens since, whatever their times say.
func TestUnsavedTokensYieldToNewerOnes(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, 0, 30 * time.Second} {
		w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
		w.bubble(func(t *testing.T) {
			before := w.signedIn()
			mine, theirs := before, before
			mine.Access, mine.Refresh = secret.New("mine"), secret.New("my-successor")
			s := w.session()
			w.mustToken(s, "")
			s.cache.change(func(c *cache) {
				c.memory = tokensOf(mine, c.memory.stamp)
				c.memory.saved = before
			})
			// A mark on the old tokens is nothing new.
			before.RefreshSentAt = time.Now()
			w.save(before)
			if token := w.mustToken(s, ""); token.Access != mine.Access {
				t.Errorf("%v: the unsaved tokens are lost", ahead)
			}
			s.background.Wait()
			if saved := w.saved(); saved.Refresh != mine.Refresh || s.Unsaved() != nil {
				t.Errorf("%v: saved %+v", ahead, saved)
			}

			s.cache.change(func(c *cache) { c.memory.saved = before })
			s.nextRewrite = time.Time{}
			theirs.Access, theirs.Refresh = secret.New("theirs"), secret.New("their-successor")
			theirs.IssuedAt = theirs.IssuedAt.Add(ahead)
			w.save(theirs)
			w.mustToken(s, "")
			s.background.Wait()
			if saved := w.saved(); saved.Refresh != theirs.Refresh || s.cache.get().Refresh != theirs.Refresh {
				t.Errorf("%v: overwritten with %+v", ahead, saved)
			}
		})
	}
}

// TestCloseStopsWaitingForTheLock: Close cancels a refresh that waits for the lock,
// since it has not sent the refresh token.
func TestCloseStopsWaitingForTheLock(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	unlock, ok, err := tokens.Open(w.places, w.config).TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer unlock()
	w.bubble(func(t *testing.T) {
		w.expired()
		s := w.session()
		ended := make(chan error, 1)
		go func() { _, err := s.Token(t.Context(), ""); ended <- err }()
		time.Sleep(2 * time.Second)
		began := time.Now()
		s.Close()
		if err := <-ended; !problem.Is(err, problem.Cancelled) || time.Since(began) > time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if n := w.Count(domaintest.Token); n != 0 {
			t.Errorf("%d token requests", n)
		}
	})
}

// TestRefreshesAreLimited: however often callers ask, no refresh is sent during a pause or
// before the time in Retry-After.
func TestRefreshesAreLimited(t *testing.T) {
	t.Run("Retry-After", func(t *testing.T) {
		w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
		w.bubble(func(t *testing.T) {
			tok := w.signedIn()
			w.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Throttle, RetryAfter: 10 * time.Minute})
			here := w.session()
			for range 20 {
				for _, s := range []*Session{here, w.session()} {
					if _, err := s.Refresh(t.Context()); !problem.Is(err, problem.Throttled) {
						t.Errorf("%v", err)
					}
					if token := w.mustToken(s, ""); token.Access != tok.Access || s.Status().Unsaved {
						t.Errorf("another token, or not saved: %+v", s.Status())
					}
				}
				time.Sleep(10 * time.Second)
			}
			if n := w.Count(domaintest.Token); n != 1 {
				t.Errorf("%d token requests", n)
			}
			w.Heal(domaintest.Token)
			time.Sleep(7 * time.Minute)
			if _, err := w.session().Refresh(t.Context()); err != nil || !w.saved().RetryAt.IsZero() {
				t.Errorf("after the ten minutes: %v, %+v", err, w.saved())
			}
		})
	})
	t.Run("Retry-After, and the clock is set back", func(t *testing.T) {
		w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
		w.bubble(func(t *testing.T) {
			tok := w.signedIn()
			tok.RetryAt = time.Now().Add(24 * time.Hour)
			w.save(tok)
			if _, err := w.session().Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("Retry-After, and no token is there yet", func(t *testing.T) {
		w := newClientWorld(t, domaintest.Options{}, config.ClientCredentials, nil)
		w.bubble(func(t *testing.T) {
			w.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Throttle, RetryAfter: time.Minute})
			for range 3 {
				if _, err := w.session().Token(t.Context(), ""); !problem.Is(err, problem.Throttled) {
					t.Errorf("%v", err)
				}
			}
			if n := w.Count(domaintest.Token); n != 1 {
				t.Errorf("%d token requests", n)
			}
			w.Heal(domaintest.Token)
			time.Sleep(2 * time.Minute)
			w.mustToken(w.session(), "")
		})
	})
	t.Run("a refresh token in doubt", func(t *testing.T) {
		w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
		w.bubble(func(t *testing.T) {
			tok := w.signedIn()
			tok.RefreshSentAt = time.Now()
			w.save(tok)
			s := w.session()
			if _, err := s.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "may be used up") {
				t.Errorf("%v", err)
			}
			if token, err := s.TokenFor(t.Context(), 59*time.Minute); err != nil || token.Access != tok.Access || w.Count(domaintest.Token) != 0 {
				t.Errorf("%v after %d token requests", err, w.Count(domaintest.Token))
			}
			time.Sleep(time.Hour)
			w.mustToken(s, "")
		})
	})
	t.Run("no refresh token", func(t *testing.T) {
		w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
		tok := w.signedIn()
		tok.Refresh = secret.Text{}
		w.save(tok)
		s := w.session()
		if _, err := s.Refresh(t.Context()); !problem.Is(err, problem.LoginRequired) || !strings.Contains(err.Error(), "no refresh token") || strings.Contains(err.Error(), "not signed in") {
			t.Errorf("%v", err)
		}
		if token, err := s.TokenFor(t.Context(), 2*time.Hour); err != nil || token.Access != tok.Access {
			t.Errorf("%v", err)
		}
	})
}

// A badDisk is a disk for tokens that is slow, or fails.
type badDisk struct {
	file
	slow   time.Duration
	broken bool // for what is written now
}

type badRoom struct {
	room
	disk *badDisk
}

func (d *badDisk) Reserve(signIn bool) (room, error) {
	r, err := d.file.Reserve(signIn)
	if err != nil {
		return nil, err
	}
	return badRoom{r, d}, nil
}

func (d *badDisk) Save(t tokens.Tokens) (tokens.Stamp, error) { return d.save(t, d.file.Save) }

func (r badRoom) Save(t tokens.Tokens) (tokens.Stamp, error) {
	if r.disk.broken {
		r.Release()
	}
	return r.disk.save(t, r.room.Save)
}

func (d *badDisk) save(t tokens.Tokens, save func(tokens.Tokens) (tokens.Stamp, error)) (tokens.Stamp, error) {
	time.Sleep(d.slow)
	if d.broken {
		return tokens.Stamp{}, problem.New(problem.Store, "The disk fails.", "Use another one.")
	}
	return save(t)
}

// A token that expired while a slow disk saved it is not returned.
func TestTokenExpiresWhileItIsSaved(t *testing.T) {
	for name, get := range map[string]func(context.Context, *Session) (Token, error){
		"Token":    func(ctx context.Context, s *Session) (Token, error) { return s.Token(ctx, "") },
		"TokenFor": func(ctx context.Context, s *Session) (Token, error) { return s.TokenFor(ctx, time.Hour) },
		"Refresh":  func(ctx context.Context, s *Session) (Token, error) { return s.Refresh(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			w.bubble(func(t *testing.T) {
				w.expired()
				s := w.session()
				d := &badDisk{file: s.cache.file, slow: 2 * time.Hour}
				s.cache.change(func(c *cache) { c.file = d })
				if token, err := get(t.Context(), s); err == nil || !token.Access.Empty() {
					t.Errorf("a token that ends at %v, at %v: %v", token.ExpiresAt, time.Now(), err)
				}
				d.slow = time.Second
				if token, err := get(t.Context(), s); err != nil || !time.Now().Before(token.ExpiresAt) {
					t.Errorf("a token that ends at %v, at %v: %v", token.ExpiresAt, time.Now(), err)
				}
			})
		})
	}
}

// TestUnsavedRefreshTimes: if only RefreshSentAt or RetryAt could not be saved, the tokens
// do not count as unsaved, and the process respects those times until they are saved.
func TestUnsavedRefreshTimes(t *testing.T) {
	for name, test := range map[string]struct {
		fault domaintest.Fault
		noted func(tokens.Tokens) bool
	}{
		"no answer":   {domaintest.Fault{Kind: domaintest.ResetAfter}, func(t tokens.Tokens) bool { return !t.RefreshSentAt.IsZero() }},
		"Retry-After": {domaintest.Fault{Kind: domaintest.Throttle, RetryAfter: 10 * time.Minute}, func(t tokens.Tokens) bool { return !t.RetryAt.IsZero() }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			w.bubble(func(t *testing.T) {
				tok := w.signedIn()
				s := w.session()
				d := &badDisk{file: s.cache.file, broken: true}
				s.cache.change(func(c *cache) { c.file = d })
				w.FailAlways(domaintest.Token, test.fault)
				if _, err := s.Refresh(t.Context()); err == nil {
					t.Error("refreshed")
				}
				theirs := tok // another process has noted something else
				if theirs.RetryAt = time.Now().Round(0).Add(9 * time.Minute); test.fault.Kind == domaintest.Throttle {
					theirs.RefreshSentAt, theirs.RetryAt = time.Now().Round(0), time.Time{}
				}
				w.save(theirs)
				if status := s.Status(); status.Unsaved || s.Unsaved() != nil || !test.noted(s.cache.get().Tokens) || test.noted(w.saved()) {
					t.Errorf("%+v, %+v, saved %+v", status, s.cache.get().Tokens, w.saved())
				}
				d.broken = false
				w.mustToken(s, "")
				s.background.Wait()
				if saved := w.saved(); saved.RefreshSentAt.IsZero() || saved.RetryAt.IsZero() || saved.Refresh != tok.Refresh {
					t.Errorf("saved %+v", saved)
				}
			})
		})
	}
}

// TestStateDirectoryRemoved: a process that has tokens in memory goes on using them when
// their directory is removed, as when the disk is taken away, and also when something else
// makes the directory anew. It sends no refresh token and makes no lock, which would make it
// a sign-out for others. When the directory is back, the session goes on.
func TestStateDirectoryRemoved(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		if err := w.session().begin(t.Context(), w.signedIn(), false); err != nil {
			t.Fatal(err)
		}
		s, closing, dir := w.session(), w.session(), w.places.StateDir
		token := w.mustToken(s, "")
		w.mustToken(closing, "")
		closing.cache.change(func(c *cache) { c.memory.RetryAt = time.Now().Round(0).Add(-time.Second) }) // not saved yet
		if err := errors.Join(os.Rename(dir, dir+".away"), os.Mkdir(dir, 0o700)); err != nil {
			t.Fatal(err)
		}
		if again := w.mustToken(s, ""); again.Access != token.Access {
			t.Error("another token")
		}
		time.Sleep(time.Until(token.ExpiresAt))
		for range 2 {
			if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.Store) || !s.Status().SignedIn {
				t.Errorf("the directory is gone: %v, %+v", err, s.Status())
			}
		}
		if _, err := w.session().Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) {
			t.Errorf("a new process: %v", err)
		}
		closing.Close()
		if left, err := os.ReadDir(dir); len(left) > 0 || err != nil || w.Count(domaintest.Token) > 0 {
			t.Errorf("left %v, %v, %d requests", left, err, w.Count(domaintest.Token))
		}
		if err := errors.Join(os.Remove(dir), os.Rename(dir+".away", dir)); err != nil {
			t.Fatal(err)
		}
		w.mustToken(s, "")
	})
}

// Times have no monotonic clock reading: that clock stands still while the machine sleeps, so
// an expired token would seem valid.
func TestTimesUseTheWallClock(t *testing.T) {
	for name, test := range map[string]struct {
		method config.AuthMethod
		fault  domaintest.Fault
		times  func(tokens.Tokens) []time.Time
	}{
		"refresh":            {method: config.ConfidentialApp, times: func(t tokens.Tokens) []time.Time { return []time.Time{t.IssuedAt, t.ExpiresAt} }},
		"client credentials": {method: config.ClientCredentials, times: func(t tokens.Tokens) []time.Time { return []time.Time{t.IssuedAt, t.ExpiresAt} }},
		"no answer": {config.ConfidentialApp, domaintest.Fault{Kind: domaintest.ResetAfter},
			func(t tokens.Tokens) []time.Time { return []time.Time{t.RefreshSentAt} }},
		"Retry-After": {config.ConfidentialApp, domaintest.Fault{Kind: domaintest.Throttle, RetryAfter: time.Minute},
			func(t tokens.Tokens) []time.Time { return []time.Time{t.RetryAt} }},
	} {
		t.Run(name, func(t *testing.T) {
			var w *world
			if test.method.Unattended() {
				w = newClientWorld(t, domaintest.Options{}, test.method, nil)
			} else {
				w = newWorld(t, domaintest.Options{}, test.method)
				w.expired()
			}
			s := w.session()
			if test.fault.Kind != "" {
				w.Fail(domaintest.Token, test.fault)
			}
			if _, err := s.Token(t.Context(), ""); (err != nil) != (test.fault.Kind != "") {
				t.Fatal(err)
			}
			for _, one := range test.times(s.cache.get().Tokens) {
				if one.IsZero() || one != one.Round(0) {
					t.Errorf("%v", one)
				}
			}
		})
	}
}

// TestCloseSavesTokens: a process that ends saves what it could not save before, if
// that is possible by then and nobody has signed out or saved newer tokens.
func TestCloseSavesTokens(t *testing.T) {
	newer := secret.New("newer")
	for name, meanwhile := range map[string]func(*world, tokens.Tokens){
		"alone": func(*world, tokens.Tokens) {},
		"signed out elsewhere": func(w *world, _ tokens.Tokens) {
			if _, err := w.session().Disconnect(w.t.Context()); err != nil {
				w.t.Error(err)
			}
		},
		"newer tokens elsewhere": func(w *world, tok tokens.Tokens) {
			tok.Access, tok.Refresh = newer, newer
			w.save(tok)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			w.bubble(func(t *testing.T) {
				old := w.signedIn()
				s := w.session()
				d := &badDisk{file: s.cache.file, broken: true}
				s.cache.change(func(c *cache) { c.file = d })
				if _, err := s.Refresh(t.Context()); err != nil || s.Unsaved() == nil {
					t.Fatalf("%v, unsaved: %v", err, s.Unsaved())
				}
				want := s.cache.get().Refresh
				meanwhile(w, old)
				switch name {
				case "signed out elsewhere":
					want = secret.Text{}
				case "newer tokens elsewhere":
					want = newer
				}
				d.broken = false
				s.Close()
				if saved := w.saved(); saved.Refresh != want {
					t.Errorf("saved %+v", saved)
				}
			})
		})
	}
}

// After each failure in a row the pause before the next refresh is longer, up to a minute.
func TestPausesGrowWithEachFailure(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		w.expired()
		s := w.session()
		w.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Unavailable})
		requests := func(in time.Duration) int {
			before := w.Count(domaintest.Token)
			for began := time.Now(); time.Since(began) < in; time.Sleep(2 * time.Second) {
				_, _ = s.Token(t.Context(), "")
			}
			return w.Count(domaintest.Token) - before
		}
		first := requests(2 * time.Minute)
		later := requests(10 * time.Minute)
		if first < 4 || first > 12 || later < 5 || later > 20 {
			t.Errorf("%d tries in two minutes, %d in the ten after them", first, later)
		}
	})
}

// TestTokenFor: the token lives as long as the caller asked for, if the domain issues
// tokens that long-lived.
func TestTokenFor(t *testing.T) {
	for _, test := range []struct {
		left, wanted time.Duration
		requests     int
	}{
		{30 * time.Second, 5 * time.Minute, 1},
		{30 * time.Minute, 5 * time.Minute, 0},
		{20 * time.Minute, 45 * time.Minute, 1},
		{59 * time.Minute, 24 * time.Hour, 0}, // none lives as long
	} {
		w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
		w.bubble(func(t *testing.T) {
			tok := w.signedIn()
			tok.IssuedAt, tok.ExpiresAt = time.Now().Add(test.left-time.Hour), time.Now().Add(test.left)
			w.save(tok)
			s := w.session()
			token, err := s.TokenFor(t.Context(), test.wanted)
			s.background.Wait()
			if err != nil || (token.Access != tok.Access) != (test.requests == 1) || w.Count(domaintest.Token) != test.requests {
				t.Errorf("%v left, %v wanted: %d requests, %v", test.left, test.wanted, w.Count(domaintest.Token), err)
			}
			// If the refresh fails, the valid token is returned.
			w.save(tok)
			w.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Unavailable})
			if token, err := w.session().TokenFor(t.Context(), test.wanted); (err != nil) != (test.requests == 1) || token.Access != tok.Access {
				t.Errorf("%v left, %v wanted, and no answer: %v", test.left, test.wanted, err)
			}
		})
	}
}

// TestFileDamagedWhileTokensAreInMemory: the tokens in memory are kept and overwrite the
// damaged file.
func TestFileDamagedWhileTokensAreInMemory(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.signedIn()
	s := w.session()
	token := w.mustToken(s, "")
	for _, damage := range []string{"", `{"version":1,"acc`} {
		writeFile(t, tokens.Open(w.places, w.config).Path(), damage)
		if w.mustToken(s, "").Access != token.Access {
			t.Error("another token")
		}
		s.background.Wait()
		if saved := w.saved(); saved.Access != token.Access || saved.Refresh.Empty() {
			t.Errorf("saved %+v", saved)
		}
		s.mu.Lock()
		s.nextRewrite = time.Time{}
		s.mu.Unlock()
	}
	// Also one that ends before it has noticed.
	writeFile(t, tokens.Open(w.places, w.config).Path(), "{")
	s.Close()
	if saved := w.saved(); saved.Access != token.Access || saved.Refresh.Empty() {
		t.Errorf("saved at the end: %+v", saved)
	}
}

// A file that another process has changed and that cannot be read now may hold newer tokens:
// the older ones in memory are not sent, and not saved over it.
func TestUnreadFileIsKept(t *testing.T) {
	for method, newWorld := range map[config.AuthMethod]func() *world{
		config.ConfidentialApp:   func() *world { return newWorld(t, domaintest.Options{}, config.ConfidentialApp) },
		config.ClientCredentials: func() *world { return newClientWorld(t, domaintest.Options{}, config.ClientCredentials, nil) },
	} {
		w := newWorld()
		w.bubble(func(t *testing.T) {
			s, other := w.session(), w.session()
			if !method.Unattended() {
				w.signedIn()
			}
			w.mustToken(s, "")
			time.Sleep(2 * time.Hour)
			w.mustToken(other, "")
			fresh := w.saved()
			disk := &unreadable{s.cache.file, true}
			s.cache.change(func(c *cache) { c.file = disk })
			requests := w.Count(domaintest.Token)
			if _, err := s.Token(t.Context(), ""); method.Unattended() != (err == nil) ||
				err != nil && (w.Count(domaintest.Token) != requests || !strings.Contains(err.Error(), "another process may have done so")) {
				t.Errorf("%s: %v after %d requests", method, err, w.Count(domaintest.Token)-requests)
			}
			if now := w.saved(); !same(now, fresh) {
				t.Errorf("%s: the file was overwritten", method)
			}
			disk.on = false
			time.Sleep(time.Minute)
			if w.mustToken(s, "").Access != fresh.Access {
				t.Errorf("%s: the newer token is not used", method)
			}
		})
	}
}

// unreadable is a file that can be replaced but not read while on is true.
type unreadable struct {
	file
	on bool
}

func (u *unreadable) Load() (tokens.Tokens, tokens.Stamp, error) {
	if u.on {
		return tokens.Tokens{}, u.file.Stamp(), problem.New(problem.Store, "The saved tokens cannot be read.", "Try again.")
	}
	return u.file.Load()
}

// A temporary read error does not end the session, and a process that has only just started
// does not report it as a sign-out.
func TestTemporaryReadErrorIsNoSignOut(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.signedIn()
	s := w.session()
	token := w.mustToken(s, "")
	path := tokens.Open(w.places, w.config).Path()
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if w.mustToken(s, "").Access != token.Access || s.Status().Problem == nil {
		t.Error("not kept, or not told")
	}
	another := w.session()
	if _, err := another.Token(t.Context(), ""); !problem.Is(err, problem.Store) || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a process that has just started: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if w.mustToken(s, "").Access != token.Access || w.mustToken(another, "").Access != token.Access {
		t.Error("another token")
	}
}

func TestWaitingForTheLockTimesOut(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	unlock, ok, err := tokens.Open(w.places, w.config).TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer unlock()
	w.bubble(func(t *testing.T) {
		w.expired()
		began := time.Now()
		_, err := w.session().Token(t.Context(), "")
		if p := problem.From(err); p == nil || p.Kind != problem.Store || !p.Retryable || time.Since(began) > 2*lockTimeout {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestCorrectedConfigurationWorksAtOnce(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.expired()
	path := filepath.Join(w.places.Home, "secret")
	w.configure(map[string]any{
		"domain_url": w.URL, "llm_base_url": w.LLMBaseURL, "client_id": w.config.ClientID,
		"client_secret": "{file:" + filepath.ToSlash(path) + "}", "scope": w.config.Scope,
	})
	s := w.session()
	if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	writeFile(t, path, domaintest.ConfidentialSecret+"\n")
	w.mustToken(s, "")
}

func TestDamagedFile(t *testing.T) {
	w := newWorld(t, domaintest.Options{AutoApprove: true}, config.ConfidentialApp)
	path := tokens.Open(w.places, w.config).Path()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, `{"version":1,"acc`)
	s := w.session()
	if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%v", err)
	}
	if p := s.Status().Problem; p == nil || !strings.Contains(p.Message, "damaged") {
		t.Errorf("problem %v", p)
	}
	prompt, ended := connecting(t, s, signin.Browser)
	if _, _, _, err := browse(t.Context(), prompt.URL); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.mustToken(s, "")
}

// Two processes share a session, and their configurations ask for different forms (plain
// and encrypted). Each process rewrites the file in its own form once, and after that only
// when it saves new tokens.
func TestProcessesDoNotRewriteEachOthersFile(t *testing.T) {
	keyring.MockInit()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none") // is not asked
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	plain := w.session()
	w.config.TokenStore = config.KeyringStore
	encrypted := w.session()
	saved := w.signedIn() // in the keyring's form
	file := tokens.Open(w.places, w.config)
	forms := 0
	for range 20 {
		for _, s := range []*Session{encrypted, plain} {
			before := file.Encrypted()
			if token := w.mustToken(s, ""); token.Access != saved.Access {
				t.Fatal("another token")
			}
			s.background.Wait()
			if file.Encrypted() != before {
				forms++
			}
		}
	}
	if forms != 2 { // the second window's, and the first one's once
		t.Errorf("the form has changed %d times", forms)
	}
	for _, s := range []*Session{encrypted, plain, encrypted} {
		if _, err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := s == encrypted; file.Encrypted() != want {
			t.Errorf("after a refresh: encrypted %v, want %v", !want, want)
		}
	}
}

// Rewriting the file in another form (plain or encrypted) does not bring old tokens back.
func TestChangeOfEncryptionKeepsNewerTokens(t *testing.T) {
	keyring.MockInit()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none")
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.signedIn()
	file := tokens.Open(w.places, w.config)
	unlock, ok, err := file.TryLock()
	if !ok {
		t.Fatal(err)
	}
	w.config.TokenStore = config.KeyringStore
	s := w.session()
	w.mustToken(s, "") // begins, and waits for the lock
	newer := w.saved()
	newer.Access, newer.IssuedAt = secret.New("newer"), newer.IssuedAt.Add(time.Second)
	if _, err := file.Save(newer); err != nil {
		t.Fatal(err)
	}
	unlock()
	s.background.Wait()
	if got := w.saved(); got.Access != newer.Access || !tokens.Open(w.places, w.config).Encrypted() {
		t.Errorf("saved: %+v", got)
	}
}

// Without its keyring a session reports that problem, not that nobody is signed in, and
// does not begin a sign-in whose tokens could not be saved.
func TestKeyringUnavailable(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none")
	w := newWorld(t, domaintest.Options{AutoApprove: true}, config.ConfidentialApp)
	w.config.TokenStore = config.KeyringStore
	keyring.MockInitWithError(errors.New("gone"))
	s := w.session()
	_, err := s.Connect(t.Context(), ConnectOptions{Flow: signin.Browser, Prompt: func(signin.Prompt) { t.Error("the person is asked") }})
	if !problem.Is(err, problem.Store) || !strings.Contains(err.Error(), "keyring of this system cannot be used") {
		t.Errorf("the sign-in: %v", err)
	}

	keyring.MockInit()
	w.signedIn()
	// A file that this process never had the key for.
	text, _ := os.ReadFile(tokens.Open(w.places, w.config).Path())
	other := regexp.MustCompile(`\.[0-9a-f]{16}"`).ReplaceAll(text, []byte(`.00"`))
	writeFile(t, tokens.Open(w.places, w.config).Path(), string(other))
	keyring.MockInitWithError(errors.New("gone"))
	if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.Store) || !strings.Contains(err.Error(), "encrypted") {
		t.Errorf("a token: %v", err)
	}
	if status := s.Status(); status.SignedIn || status.Problem == nil || status.Problem.Kind != problem.Store {
		t.Errorf("%+v", status)
	}
	keyring.MockInit()
	if _, err := s.Token(t.Context(), ""); !problem.Is(err, problem.LoginRequired) || !strings.Contains(err.Error(), "does not hold their key") {
		t.Errorf("a lost key: %v", err)
	}
	writeFile(t, tokens.Open(w.places, w.config).Path(), string(text)) // as when the keyring is back
	token := w.mustToken(s, "")

	// Another machine, with a keyring of its own, has written into the home directory that
	// they share: what is in memory serves, and the two do not take turns in writing.
	writeFile(t, tokens.Open(w.places, w.config).Path(), string(other))
	if w.mustToken(s, "").Access != token.Access || s.Status().Problem == nil {
		t.Error("not kept, or not told")
	}
	s.background.Wait()
	if now, _ := os.ReadFile(tokens.Open(w.places, w.config).Path()); string(now) != string(other) {
		t.Error("written again")
	}
}

// After Close no refresh begins: the process may end before the answer is saved, and the
// refresh token would be used up.
func TestNoRefreshBeginsAfterClose(t *testing.T) {
	for name, ask := range map[string]func(*Session, tokens.Tokens) error{
		"Token":   func(s *Session, _ tokens.Tokens) error { _, err := s.Token(t.Context(), ""); return err },
		"Refresh": func(s *Session, _ tokens.Tokens) error { _, err := s.Refresh(t.Context()); return err },
		"Ready": func(s *Session, tok tokens.Tokens) error {
			if _, ok, err := s.Ready(""); ok || err != nil {
				t.Errorf("Ready: %t, %v", ok, err)
			}
			_, err := s.Another(t.Context(), tok.Access.Fingerprint())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			tok := w.expired()
			s := w.session()
			s.Close()
			if err := ask(s, tok); !problem.Is(err, problem.Cancelled) {
				t.Errorf("after Close: %v", err)
			}
			s.background.Wait()
			if n := w.Count(domaintest.Token); n != 0 || w.saved().Refresh != tok.Refresh {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

// A token that another process saved, and that the endpoint rejects, is refreshed also while
// the refresh of the token before it still waits for that process.
func TestRejectedTokenIsRefreshedBesideAnotherRefresh(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	unlock, ok, err := tokens.Open(w.places, w.config).TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	w.bubble(func(t *testing.T) {
		before := w.expired()
		before.Access = secret.New("before")
		w.save(before)
		s := w.session()
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { _, err := s.Token(t.Context(), ""); first <- err }()
		synctest.Wait()
		theirs := w.signedIn()
		go func() {
			token, err := s.Token(t.Context(), theirs.Access.Fingerprint())
			if err == nil && token.Access == theirs.Access {
				t.Error("the rejected token again")
			}
			second <- err
		}()
		synctest.Wait()
		unlock()
		if err := errors.Join(<-first, <-second); err != nil || w.Count(domaintest.Token) != 1 {
			t.Errorf("%v, %d token requests", err, w.Count(domaintest.Token))
		}
	})
}

// Whether a token was just issued is not known after the clock was set back: it is refreshed.
func TestRejectedTokenFromTheFutureIsRefreshed(t *testing.T) {
	now := time.Now()
	for issued, again := range map[time.Time]bool{now.Add(-time.Second): true, now.Add(-time.Hour): false, now.Add(time.Hour): false} {
		r := rejections{replacement: "x"}
		if got := r.note(cached{fingerprint: "x", Tokens: tokens.Tokens{IssuedAt: issued}}, now); got != again {
			t.Errorf("issued %v ago: %t", now.Sub(issued), got)
		}
	}
}
