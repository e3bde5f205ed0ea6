package tokens

import "time"

// noKeyring is "": every Windows has a Credential Manager.
func noKeyring() string { return "" }

// stillLocked is false: the Credential Manager is open while the person is signed in, and
// asks nobody anything.
func stillLocked(time.Time) bool { return false }

// newKeyringFault says in a few words what a person can know of a fault. The next call
// asks again, because nobody is asked by that.
func newKeyringFault(err error) *keyringFault {
	return &keyringFault{why: "Credential Manager refuses (" + err.Error() + ")", cause: err}
}
