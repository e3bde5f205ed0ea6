//go:build !linux && !windows

package tokens

import "time"

// noKeyring says in a few words why there cannot be a keyring here, or is "".
func noKeyring() string { return "" }

// stillLocked reports whether a keyring that was locked is so. It cannot be found out
// without having the person asked, so that is left be for a while.
func stillLocked(refused time.Time) bool { return time.Since(refused) < time.Minute }

// newKeyringFault says in a few words what a person can know of a fault. The person may
// have been asked: these systems tell that in many ways.
func newKeyringFault(err error) *keyringFault {
	return &keyringFault{why: "it is locked, or refuses", cause: err, refusedAt: time.Now()}
}
