package store

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// A TokenStore says how saved tokens are kept.
type TokenStore string

// The ways.
const (
	FileStore    TokenStore = "file"    // in a file that only its owner reads
	KeyringStore TokenStore = "keyring" // in the same file, encrypted with a key in the system's keyring
)

var tokenStores = []string{string(FileStore), string(KeyringStore)}

const (
	keyringService  = "opencode-oci-oidc"
	keyringPatience = 3 * time.Second // for one answer
	keySize         = 32              // bytes: AES-256
)

var errNoKey = errors.New("the keyring does not hold the key")

// A keyringFault is why the keyring cannot be used.
type keyringFault struct {
	why   string // for a person, in a few words
	cause error  // for the log; may be nil
}

func (f *keyringFault) Error() string {
	if f.cause == nil {
		return f.why
	}
	return f.why + ": " + f.cause.Error()
}

var errSilent = &keyringFault{why: fmt.Sprintf("it has not answered within %d s, and may be waiting for you to unlock it", keyringPatience/time.Second)}

// keys is the operating system's keyring, and what this process has had of it.
// Nothing of it is touched before the first encrypted file is read or written.
//
// Every key has a name of its own that is never used for another one. So nothing
// that comes late, from this process or another, can take the place of a key that
// is in use.
var keys systemKeyring

type systemKeyring struct {
	mu      sync.Mutex
	had     map[string][]byte // by name
	running *keyringCall
}

// A keyringCall is one that is under way. The systems' keyrings know no time limit,
// and some ask the person meanwhile.
type keyringCall struct {
	done chan struct{}
	late bool // nobody waits for it any more
	err  error
}

// call asks the keyring, and gives up when the time is over. What is under way then
// goes on by itself, and until it ends every other call fails at once. undo takes back
// what nobody waited for; it may be nil.
func (k *systemKeyring) call(ask func() error, undo func()) error {
	limit := time.NewTimer(keyringPatience)
	defer limit.Stop()
	k.mu.Lock()
	for k.running != nil {
		other := k.running
		late := other.late
		k.mu.Unlock()
		if late {
			return errSilent
		}
		select {
		case <-other.done:
		case <-limit.C:
			return errSilent
		}
		k.mu.Lock()
	}
	c := &keyringCall{done: make(chan struct{})}
	k.running = c
	k.mu.Unlock()
	go func() {
		err := askSafely(ask)
		k.mu.Lock()
		late := c.late
		k.mu.Unlock()
		if late && err == nil && undo != nil {
			_ = askSafely(func() error { undo(); return nil })
		}
		k.mu.Lock()
		c.err, k.running = err, nil
		k.mu.Unlock()
		close(c.done)
	}()
	select {
	case <-c.done:
		return c.err
	case <-limit.C:
		k.mu.Lock()
		c.late = true
		k.mu.Unlock()
		return errSilent
	}
}

// askSafely asks where there is a keyring to ask. The library panics when a bus ends
// while the person is asked.
func askSafely(ask func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &keyringFault{"it broke off", fmt.Errorf("%v", fault)}
		}
	}()
	if why := noKeyring(); why != "" {
		return &keyringFault{why: why}
	}
	switch err := ask(); {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return errNoKey
	case errors.Is(err, keyring.ErrUnsupportedPlatform):
		return &keyringFault{"none is known on this platform", err}
	default:
		return &keyringFault{whyRefused(err), err}
	}
}

// known returns a key that this process has had, or nil.
func (k *systemKeyring) known(name string) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.had[name]
}

// text is a key that this process has had, as the keyring has it.
func (k *systemKeyring) text(name string) secret.Text {
	return secret.New(base64.StdEncoding.EncodeToString(k.known(name)))
}

// get asks the keyring for a key. An answer that comes late is kept for the next time.
func (k *systemKeyring) get(name string) ([]byte, error) {
	err := k.call(func() error {
		text, err := keyring.Get(keyringService, name)
		if err != nil {
			return err
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(key) != keySize {
			return keyring.ErrNotFound // what somebody else put there is none
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.had == nil {
			k.had = map[string][]byte{}
		}
		k.had[name] = key
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	return k.known(name), nil
}

// add makes a new key, and returns it when the keyring is known to have it.
func (k *systemKeyring) add(name string) ([]byte, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	err := k.call(func() error {
		return keyring.Set(keyringService, name, base64.StdEncoding.EncodeToString(key))
	}, func() { _ = keyring.Delete(keyringService, name) })
	if err != nil {
		return nil, err
	}
	held, err := k.get(name)
	if errors.Is(err, errNoKey) {
		err = &keyringFault{"it does not keep what it is given", err}
	}
	return held, err
}

// remove takes a key out of the keyring.
func (k *systemKeyring) remove(name string) error {
	k.mu.Lock()
	delete(k.had, name)
	k.mu.Unlock()
	err := k.call(func() error { return keyring.Delete(keyringService, name) }, nil)
	if errors.Is(err, errNoKey) {
		return nil
	}
	return err
}

// KeyringFault reports whether err says that the keyring cannot be used just now.
func KeyringFault(err error) bool {
	var fault *keyringFault
	return errors.As(err, &fault)
}

// A KeyringState is what a token file has to do with the keyring.
type KeyringState int

// The states.
const (
	KeyringUnused KeyringState = iota // the file is not encrypted and shall not be
	KeyringReady                      // it could hold a key
	KeyringHasKey                     // it holds the file's
)

// CheckKeyring asks the keyring where this file needs it. Its error is a problem of kind
// Store: the keyring does not answer.
func (f *TokenFile) CheckKeyring() (KeyringState, error) {
	name := f.keyName()
	if name == "" && f.store != KeyringStore {
		return KeyringUnused, nil
	}
	if name == "" {
		name = f.newKeyName()
	}
	switch _, err := keys.get(name); {
	case err == nil:
		return KeyringHasKey, nil
	case errors.Is(err, errNoKey):
		return KeyringReady, nil
	default:
		return KeyringUnused, keyringProblem(err)
	}
}

// Encrypted reports whether the file on the disk is encrypted.
func (f *TokenFile) Encrypted() bool { return f.keyName() != "" }

// keyringHint is what to do about a keyring that cannot be used.
const keyringHint = `Unlock the keyring or start it, as your desktop does when you log in. Where there is none, ` +
	`write "token_store": "file" in your own configuration: the tokens are then kept in a file that only you can read.`

func keyringProblem(err error) *problem.Problem {
	why := "it refuses"
	if fault := (*keyringFault)(nil); errors.As(err, &fault) {
		why = fault.why
	}
	return problem.New(problem.Store, "The keyring of this system cannot be used: "+why+".", keyringHint).Because(err)
}
