package tokens

import (
	"errors"
	"fmt"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

const (
	keyringService  = "opencode-oci-oidc"
	keyringPatience = 3 * time.Second // for one answer
	keySize         = 32              // bytes: AES-256
)

var errNoKey = errors.New("the keyring does not hold the key")

// A keyringFault is the error of a keyring that cannot be used.
type keyringFault struct {
	why   string // a short clause for a person, such as "it is locked"
	cause error  // for the log; may be nil

	refusedAt time.Time // when the person refused to unlock it; zero if the cause is another
}

func (f *keyringFault) Error() string {
	if f.cause == nil {
		return f.why
	}
	return f.why + ": " + f.cause.Error()
}

var errSilent = &keyringFault{why: fmt.Sprintf("it has not answered within %d s, and may be waiting for you to unlock it", keyringPatience/time.Second)}

// KeyringFault reports whether err means that the keyring cannot be used at present: it is
// locked, missing, or does not answer. A key that the keyring does not hold is [KeyLost].
func KeyringFault(err error) bool {
	var fault *keyringFault
	return errors.As(err, &fault)
}

// keyringHint tells a person what to do about a keyring that cannot be used.
const keyringHint = `Unlock the keyring or start it, as your desktop does when you log in. Where there is none, ` +
	`write "token_store": "file" in your own configuration, and sign in again: the tokens are then in a file that only you can read.`

// keyringProblem is the problem of a keyringFault or another error of the keyring.
func keyringProblem(err error) *problem.Problem {
	why := "it refuses"
	if fault := (*keyringFault)(nil); errors.As(err, &fault) {
		why = fault.why
	}
	return problem.New(problem.Store, "The keyring of this system cannot be used: "+why+".", keyringHint).Because(err)
}
