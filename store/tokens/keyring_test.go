package tokens

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"
)

// While the keyring does not answer, only the first callers wait, and at most
// keyringPatience; later ones fail at once. When a late answer arrives, its key is
// remembered, or undo is called.
func TestOnlyTheFirstCallersWaitForASilentKeyring(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none")
	synctest.Test(t, func(t *testing.T) {
		var k systemKeyring
		release, undone := make(chan struct{}), false
		silent := func() error { <-release; return nil }
		takes := func(want time.Duration, ask func() error, is func(error) bool) {
			t.Helper()
			began := time.Now()
			if err := k.call(ask, func() { undone = true }); !is(err) || time.Since(began) != want {
				t.Errorf("%v after %s, not after %s", err, time.Since(began), want)
			}
		}
		isSilent := func(err error) bool { return errors.Is(err, errSilent) }
		go func() { // a second caller, which waits for the first one's call
			time.Sleep(time.Second)
			takes(keyringPatience, silent, isSilent)
		}()
		takes(keyringPatience, silent, isSilent)
		takes(0, func() error { t.Error("asked beside it"); return nil }, isSilent)
		time.Sleep(time.Hour)
		takes(0, silent, isSilent)
		close(release)
		synctest.Wait()
		if !undone {
			t.Error("a key that nobody waited for is still in the keyring")
		}
		takes(0, func() error { return nil }, func(err error) bool { return err == nil })
		takes(0, func() error { return keyring.ErrNotFound }, func(err error) bool { return errors.Is(err, errNoKey) })
		takes(0, func() error { panic("the bus has gone") }, KeyringFault)
		takes(0, func() error { return nil }, func(err error) bool { return err == nil })
	})
}
