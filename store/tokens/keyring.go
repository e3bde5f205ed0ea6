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
	refusal *keyringFault // of a person, who was asked to unlock it; nil if it was not the last answer
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

// LetKeyringAsk lets the keyring ask the person for its password again, who has begun
// something that needs it. Otherwise a process has them asked once: requests come by
// themselves, and must not bring a window back that somebody has closed.
func LetKeyringAsk() {
	keys.mu.Lock()
	defer keys.mu.Unlock()
	keys.refusal = nil
}

// askSafely asks where there is a keyring to ask, unless it has refused before and is
// still locked. The library panics when a bus ends while the person is asked.
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
		err = &keyringFault{why: "it does not keep what it is given", cause: err}
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
