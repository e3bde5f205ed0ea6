package oidc

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// endsIn saves tokens of a session whose end was learned a week before it.
func (w *world) endsIn(of string, left time.Duration) {
	w.t.Helper()
	tok := w.signedIn()
	at := time.Now().UTC().Round(0).Add(left)
	tok.End = tokens.End{At: at, Of: of, Since: at.Add(-7 * 24 * time.Hour)}
	w.save(tok)
}

// TestOneProcessTellsTheEnd: windows that all look at the same time tell the person once for
// each moment, whichever they are and however often they start again.
func TestOneProcessTellsTheEnd(t *testing.T) {
	w := newWorld(t, domaintest.Options{ExpiresIn: 14 * 24 * 3600}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		w.endsIn(tokens.SignOn, 3*24*time.Hour)
		end := w.session().Status().End.At
		windows := []*Session{w.session(), w.session(), w.session()}
		look := func(before time.Duration, want int32) {
			t.Helper()
			time.Sleep(time.Until(end.Add(-before)))
			var told atomic.Int32
			var all sync.WaitGroup
			for _, window := range windows {
				all.Go(func() {
					if window.TellEnd() {
						told.Add(1)
					}
				})
			}
			all.Wait()
			if told.Load() != want {
				t.Errorf("%s before the end %d windows tell it, want %d", before, told.Load(), want)
			}
			for _, window := range append(windows, w.session()) {
				if status := window.Status(); status.EndDue || status.EndNear != (0 < before && before <= time.Hour) {
					t.Errorf("%s before the end: %+v", before, status)
				}
			}
		}
		look(48*time.Hour, 0)
		look(24*time.Hour, 1)
		look(23*time.Hour, 0)
		windows[0] = w.session() // it starts again
		look(22*time.Hour, 0)
		look(time.Hour, 1)
		look(time.Minute, 0)
		look(0, 0)
	})
}

// TestNoEndIsToldOfWhatARefreshMayMove: while there is no valid access token, the next request
// refreshes, and knows more. Nor is an end told of a session that is over.
func TestNoEndIsToldOfWhatARefreshMayMove(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		w.endsIn(tokens.RefreshToken, 90*time.Minute)
		s := w.session()
		time.Sleep(65 * time.Minute) // the access token lived an hour
		if status := s.Status(); !status.SignedIn || status.End.At.IsZero() || status.EndDue || status.EndNear || s.TellEnd() {
			t.Errorf("%+v", status)
		}
		w.endsIn(tokens.RefreshToken, 30*time.Minute)
		if status := s.Status(); !status.EndDue || !status.EndNear {
			t.Errorf("with a valid token: %+v", status)
		}
		if err := s.cache.update(t.Context(), nil, func(_ cached, w *writer) error { return w.erase() }); err != nil {
			t.Fatal(err)
		}
		if status := s.Status(); status.EndDue || s.TellEnd() || !status.End.At.IsZero() {
			t.Errorf("signed out: %+v", status)
		}
	})
}

// TestEndIsToldWhereNothingCanBeSaved: then each process tells it, but only once.
func TestEndIsToldWhereNothingCanBeSaved(t *testing.T) {
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	w.bubble(func(t *testing.T) {
		w.endsIn(tokens.SignOn, 30*time.Minute)
		s := w.session()
		s.Status()
		if runtime.GOOS == "windows" { // where a file in the way looks like a directory that is gone
			held, err := os.Open(s.cache.file.Path()) // so that it cannot be replaced
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
		} else {
			defer w.unwritable()()
		}
		if first, second := s.TellEnd(), s.TellEnd(); !first || second {
			t.Errorf("told first %t, then %t", first, second)
		}
	})
}

// TestEndOfARealSignIn: the stand-in's ID token says when the single sign-on session ends. A
// refresh whose answer has no ID token keeps that, and the end of the session forgets it.
func TestEndOfARealSignIn(t *testing.T) {
	w := newWorld(t, domaintest.Options{AutoApprove: true}, config.ConfidentialApp)
	s := w.session()
	if err := w.signsIn(s, signin.Browser); err != nil {
		t.Fatal(err)
	}
	signedIn := s.Status().End
	if left := time.Until(signedIn.At); signedIn.Of != tokens.SignOn || left < 7*time.Hour || left > 9*time.Hour {
		t.Fatalf("after the sign-in %+v", signedIn)
	}
	w.Clock.Advance(9 * time.Hour) // the single sign-on session is over
	if _, err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := s.Status(); status.End != signedIn || status.EndDue {
		t.Errorf("after a refresh %+v", status.End)
	}
}
