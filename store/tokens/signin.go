package tokens

import (
	"os"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A SignIn is one flow's sign-in, which all processes of a user share: two windows
// that sign in at once need one browser only. Whoever has its lock makes the
// sign-in; the announcement tells the others what the person is shown.
type SignIn struct{ path string }

// SignIn returns the sign-in of the session by the named flow.
func (f *File) SignIn(flow string) SignIn {
	return SignIn{strings.TrimSuffix(f.path, ".json") + "." + flow}
}

// TryLock is as [File.TryLock]. Giving it back takes the announcement down.
func (s SignIn) TryLock() (unlock func(), ok bool, err error) {
	release, ok, err := store.TryLock(s.path + ".lock")
	if !ok {
		return nil, ok, err
	}
	// What a killed process announced is over.
	_ = os.Remove(s.path + ".json")
	return func() {
		_ = os.Remove(s.path + ".json")
		release()
	}, true, nil
}

// Announce tells the other processes. The lock is held.
func (s SignIn) Announce(text []byte) error { return store.Replace(s.path+".json", text) }

// Announced returns what the process with the lock announced, or nil.
func (s SignIn) Announced() []byte {
	text, err := regular.Read(s.path+".json", maxTokensSize)
	if err != nil {
		return nil
	}
	return text
}
