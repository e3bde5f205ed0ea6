package tokens

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// keys is the operating system's keyring. It is not used before the first encrypted file is
// read or written. It is a package variable because there is one keyring for the process:
// all sessions share its calls in progress, and are told of a person's refusal.
//
// A key's name is random and never reused. So a call that ends late, in this process or
// another, cannot overwrite a key that is in use.
var keys systemKeyring

// A systemKeyring is the keyring, with the keys that this process has read from it.
type systemKeyring struct {
	mu      sync.Mutex
	had     map[string][]byte // keys that the keyring returned, by name
	running *keyringCall      // nil if no call is in progress
	refusal *keyringFault     // the person refused to unlock the keyring at the last call; otherwise nil
}

// A keyringCall is a call of the keyring in progress. The keyrings have no time limit, and
// some wait for the person to unlock them.
type keyringCall struct {
	done chan struct{} // closed when the call has ended
	late bool          // its caller has given up
	err  error         // set before done is closed
}

// call runs ask, which calls the keyring, and gives up after keyringPatience. ask then goes
// on in the background, and until it ends every other call fails at once. If ask succeeds
// after its caller gave up, undo reverts what it did; undo may be nil.
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
	before := k.refusal
	k.mu.Unlock()
	go func() {
		err := askSafely(ask, before)
		k.mu.Lock()
		k.refusal = nil
		if fault := (*keyringFault)(nil); errors.As(err, &fault) && !fault.refusedAt.IsZero() {
			k.refusal = fault
		}
		late := c.late
		k.mu.Unlock()
		if late && err == nil && undo != nil {
			_ = askSafely(func() error { undo(); return nil }, nil)
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

// LetKeyringAsk lets the keyring show its password prompt again. Call it when the person
// starts something that needs the keyring, such as a sign-in. Otherwise, once the person has
// closed the prompt, this process does not bring it up again, because token requests happen
// without the person.
func LetKeyringAsk() {
	keys.mu.Lock()
	defer keys.mu.Unlock()
	keys.refusal = nil
}

// askSafely calls ask and turns its errors into errNoKey or a keyringFault. It does not call
// ask if there is no keyring, or if the person refused to unlock it before and it is still
// locked. It recovers because the library panics if the D-Bus connection ends while the
// password prompt is open.
func askSafely(ask func() error, refusal *keyringFault) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &keyringFault{why: "it broke off", cause: fmt.Errorf("%v", fault)}
		}
	}()
	if why := noKeyring(); why != "" {
		return &keyringFault{why: why}
	}
	if refusal != nil && stillLocked(refusal.refusedAt) {
		return refusal
	}
	switch err := ask(); {
	case err == nil:
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return errNoKey
	case errors.Is(err, keyring.ErrUnsupportedPlatform):
		return &keyringFault{why: "none is known on this platform", cause: err}
	default:
		return newKeyringFault(err)
	}
}

// known returns a key that this process has read before, or nil.
func (k *systemKeyring) known(name string) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.had[name]
}

// text returns a key that this process has read before, in the keyring's Base64.
func (k *systemKeyring) text(name string) secret.Text {
	return secret.New(base64.StdEncoding.EncodeToString(k.known(name)))
}

// get reads a key from the keyring. If that takes too long, it returns an error, and the key
// is remembered when it arrives.
func (k *systemKeyring) get(name string) ([]byte, error) {
	err := k.call(func() error {
		text, err := keyring.Get(keyringService, name)
		if err != nil {
			return err
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil || len(key) != keySize {
			return keyring.ErrNotFound // not a key of ours
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

// add creates a key, stores it in the keyring, and reads it back to make certain that it is
// there.
func (k *systemKeyring) add(name string) ([]byte, error) {
	key := make([]byte, keySize)
	_, _ = rand.Read(key)
	err := k.call(func() error {
		return keyring.Set(keyringService, name, base64.StdEncoding.EncodeToString(key))
	}, func() { _ = keyring.Delete(keyringService, name) })
	if err != nil {
		return nil, err
	}
	stored, err := k.get(name)
	if errors.Is(err, errNoKey) {
		err = &keyringFault{why: "it does not keep what it is given", cause: err}
	}
	return stored, err
}

// remove deletes a key from the keyring. A missing key is no error.
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
