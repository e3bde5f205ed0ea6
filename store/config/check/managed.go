package check

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// MaxSize limits the size of configuration and secret files, in bytes.
const MaxSize = 1 << 20

// A Managed lists the keys that the administrator's configuration decides for all other
// files. The zero value means none.
type Managed struct {
	Path      string   `json:"path"`                // the administrator's file
	Keys      []string `json:"keys"`                // the keys that it sets, in its order
	Own       []string `json:"own,omitempty"`       // the keys that only the other file sets
	Overruled []string `json:"overruled,omitempty"` // the Keys to which the other file gives another value
}

// Text says in sentences which key comes from which file, where path is the other file. It
// returns nil if no administrator decides any key.
func (m Managed) Text(path string) (lines []string) {
	if m.Path == "" {
		return nil
	}
	lines = append(lines, fmt.Sprintf("managed by %s: %s", m.Path, strings.Join(m.Keys, ", ")))
	if len(m.Own) > 0 {
		lines = append(lines, fmt.Sprintf("from %s: %s", path, strings.Join(m.Own, ", ")))
	}
	if len(m.Overruled) > 0 {
		lines = append(lines, fmt.Sprintf("%s has no effect in %s: it is managed", strings.Join(m.Overruled, ", "), path))
	}
	return lines
}

// Manage applies the administrator's file at path to c, whose keys are in the struct into:
// every key that the administrator sets replaces the value in c. If c is the administrator's
// file itself, nothing is replaced. decided is a struct with the defaults, which is
// overwritten. Keys in aboutItself describe the file and are not applied.
func (c *File) Manage(p store.Places, path string, into, decided any, aboutItself ...string) Managed {
	if c.Path == path {
		if refused := refuseUnmanaged(p, path); refused != nil {
			c.Refuse(refused)
		} else if saysManaged(into) {
			c.decider, c.decided = c, c.said(aboutItself)
			return Managed{Path: path, Keys: c.decided}
		}
		return Managed{}
	}
	if saysManaged(into) {
		c.Add("managed", strings.TrimSpace("is for the administrator's file alone "+path)+"; remove it")
	}
	managed, err := readManaged(p, path, decided)
	switch {
	case err != nil:
		c.Refuse(problem.From(err))
		return Managed{}
	case managed == nil || !managed.Broken && !saysManaged(decided):
		return Managed{}
	}
	c.Broken = c.Broken || managed.Broken
	c.Lines = append(c.Lines, managed.Lines...)
	decides := Managed{Path: path, Keys: managed.said(aboutItself)}
	values, over := Fields(into), Fields(decided)
	for _, key := range c.said(aboutItself) {
		switch {
		case !slices.Contains(decides.Keys, key):
			decides.Own = append(decides.Own, key)
		case !reflect.DeepEqual(values[key].Interface(), over[key].Interface()):
			decides.Overruled = append(decides.Overruled, key)
		}
	}
	for _, key := range decides.Keys {
		values[key].Set(over[key])
	}
	c.decider, c.decided = managed, decides.Keys
	return decides
}

// saysManaged reports whether a file claims to be the administrator's.
func saysManaged(file any) bool { return Fields(file)["managed"].Bool() }

// readManaged reads the administrator's configuration. It returns nil if there is none, and
// a problem if somebody else could have written it. A problem also stops the use of any
// other file, because its keys may be managed.
func readManaged(p store.Places, path string, into any) (*File, error) {
	if path == "" {
		return nil, nil
	}
	text, err := regular.ReadText(path, MaxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, problem.New(problem.Config, fmt.Sprintf("The managed configuration %s %s.", path, regular.Why(err)),
			"Ask your administrator to make it readable by everybody.").Because(err)
	}
	if refused := refuseUnmanaged(p, path); refused != nil {
		return nil, refused
	}
	return Read(path, text, true, into), nil
}

// refuseUnmanaged returns the problem of an administrator's file that somebody else can
// change, or nil.
func refuseUnmanaged(p store.Places, path string) *problem.Problem {
	why := store.Unmanaged(path, p.Administrator)
	if why == "" {
		return nil
	}
	return problem.New(problem.Config,
		fmt.Sprintf("The managed configuration %s is refused, because it may not be your administrator's: %s.", path, why),
		"Tell your administrator, who can correct it with: "+store.MakeManaged(path))
}

// said returns the keys that a file sets, in the order of the file, except those in
// aboutItself.
func (c *File) said(aboutItself []string) (keys []string) {
	for key := range c.at {
		if _, known := c.known[key]; known && !slices.Contains(aboutItself, key) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return c.at[a] - c.at[b] })
	return keys
}
