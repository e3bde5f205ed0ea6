//go:build !linux && !windows

package tokens

import "time"

// noKeyring returns a short reason why there cannot be a keyring here, or "".
func noKeyring() string { return "" }

// stillLocked reports whether the keyring is assumed to be locked still. Finding out would
// cause a password prompt, so it is assumed for a minute after the person refused.
func stillLocked(refused time.Time) bool { return time.Since(refused) < time.Minute }

// newKeyringFault turns an error of the keyring into a reason for a person. It assumes that
// the person refused, because the errors for that differ between systems.
func newKeyringFault(err error) *keyringFault {
	return &keyringFault{why: "it is locked, or refuses", cause: err, refusedAt: time.Now()}
}
