package tokens

import (
	"os"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A SignIn is the sign-in of a session by one flow, shared by the user's processes, so that
// two windows that sign in at once open one browser. The process that holds its lock does
// the sign-in, and announces the prompt to the others in a file.
type SignIn struct{ path string }

// SignIn returns the sign-in of the session by the named flow.
func (f *File) SignIn(flow string) SignIn {
	return SignIn{strings.TrimSuffix(f.path, ".json") + "." + flow}
}

// TryLock is like [File.TryLock]. unlock also removes the announcement.
func (s SignIn) TryLock() (unlock func(), ok bool, err error) {
	release, ok, err := store.TryLock(s.path + ".lock")
	if !ok {
		return nil, ok, err
	}
	// Remove the announcement of a process that was killed.
	_ = os.Remove(s.path + ".json")
	return func() {
		_ = os.Remove(s.path + ".json")
		release()
	}, true, nil
}

// Announce writes the announcement. The caller holds the lock.
func (s SignIn) Announce(text []byte) error { return store.Replace(s.path+".json", text) }

// Announced returns the announcement of the process that holds the lock, or nil.
func (s SignIn) Announced() []byte {
	text, err := regular.Read(s.path+".json", maxTokensSize)
	if err != nil {
		return nil
	}
	return text
}
