package tokens

import "time"

// noKeyring returns "": every Windows has a Credential Manager.
func noKeyring() string { return "" }

// stillLocked returns false: the Credential Manager is unlocked while the person is logged in
// to Windows, and never prompts.
func stillLocked(time.Time) bool { return false }

// newKeyringFault turns an error of the Credential Manager into a reason for a person. It
// leaves refusedAt zero, so that the next call tries again, which causes no prompt.
func newKeyringFault(err error) *keyringFault {
	return &keyringFault{why: "Credential Manager refuses (" + err.Error() + ")", cause: err}
}
