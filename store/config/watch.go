package config

import (
	"os"
	"slices"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A Watch finds out cheaply, by a few calls of stat, whether [Load] may return something
// else than before: whether one of its files was written, created or removed, or a
// confirmation was given or removed.
type Watch struct {
	paths []string
	seen  []fileState
}

// A fileState is the zero value if stat failed.
type fileState struct {
	modified time.Time
	size     int64
}

// NewWatch remembers the current state of the files. Call it before Load, so that it notices
// a change in between.
func NewWatch(p store.Places, directory string) *Watch {
	w := &Watch{paths: append(Paths(p, directory), trustedDir(p))}
	w.seen = w.look()
	return w
}

// Changed reports whether a file has changed since NewWatch.
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
