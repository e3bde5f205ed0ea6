package config

import (
	"os"
	"slices"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A Watch notices that [Load] may have another outcome than before, at the cost of a few
// stats: that one of the files it looks for was written, removed or made, or a
// confirmation given or taken back.
type Watch struct {
	paths []string
	seen  []fileState
}

// A fileState is the zero value for a file that cannot be looked at.
type fileState struct {
	modified time.Time
	size     int64
}

// NewWatch remembers the files as they are now. It is to be called before Load, so that
// a change in between is noticed.
func NewWatch(p store.Places, directory string) *Watch {
	w := &Watch{paths: append(Paths(p, directory), trustedDir(p))}
	w.seen = w.look()
	return w
}

// Changed reports whether a file is not as it was when the watch was made.
func (w *Watch) Changed() bool { return !slices.Equal(w.look(), w.seen) }

func (w *Watch) look() []fileState {
	states := make([]fileState, len(w.paths))
	for i, path := range w.paths {
		if info, err := os.Stat(path); err == nil {
			states[i] = fileState{info.ModTime(), info.Size()}
		}
	}
	return states
}
