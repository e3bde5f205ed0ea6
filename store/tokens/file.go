package tokens

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// maxTokensSize bounds what is read of a token file, in bytes.
const maxTokensSize = 1 << 20

// A File is where the tokens of one session are saved. Its methods may be
// called by several processes at once; Save and Erase belong under its lock.
type File struct {
	path     string
	domain   string
	clientID string
	store    config.TokenStore // as the configuration wants it
	own      bool              // the configuration is the person's own

	locked atomic.Bool // by this process
}

// Open returns the file for the session that a configuration describes:
// what makes two sessions the same is the domain, the client, the scope and the
// method, and what else says for whom and for what the tokens are.
func Open(p store.Places, c config.Config) *File {
	scopes := strings.Fields(c.Scope)
	slices.Sort(scopes)
	parts := []any{
		canonicalOrigin(c.DomainURL), c.ClientID, strings.Join(slices.Compact(scopes), " "), string(c.AuthMethod),
	}
	// Only where it is set, so that sessions from before there were such keys stay.
	if more := (tokenTarget{c.Audience, c.Resources, c.ExtraParams}); more.Audience != "" || len(more.Resources)+len(more.ExtraParams) > 0 {
		parts = append(parts, more)
	}
	canonical, _ := json.Marshal(parts)
	key := sha256.Sum256(canonical)
	file := &File{domain: c.DomainURL, clientID: c.ClientID, store: c.TokenStore, own: config.Own(p, c.Path)}
	if p.StateDir != "" { // or else it would be one of the working directory's
		file.path = filepath.Join(p.StateDir, hex.EncodeToString(key[:])+".json")
	}
	return file
}

// A tokenTarget is what a configuration asks of a token besides its scope.
type tokenTarget struct {
	Audience    string
	Resources   []string
	ExtraParams map[string]string
}

// canonicalOrigin removes what does not distinguish origins: case and the
// scheme's own port, which Oracle's domains show in some places only.
func canonicalOrigin(origin string) string {
	origin = strings.ToLower(origin)
	if rest, ok := strings.CutPrefix(origin, "https://"); ok {
		return "https://" + strings.TrimSuffix(rest, ":443")
	}
	return strings.TrimSuffix(origin, ":80")
}

// Path returns the file's path, or "" where there is no place for it.
func (f *File) Path() string { return f.path }

// A Stamp tells whether the file is still the one that was read or written.
// The zero stamp is that of no file.
type Stamp struct {
	info    os.FileInfo
	unknown bool // the disk did not tell
	other   bool
}

// OtherForm reports whether what was loaded should be written again: it is encrypted and
// should not be, the other way round, or not in its place.
func (s Stamp) OtherForm() bool { return s.other }

// Stamp returns the file's present stamp, at the cost of one stat.
func (f *File) Stamp() Stamp {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		// A sign-out leaves the directory. One that is gone, such as that of a home on a
		// server which cannot be reached, tells nothing.
		_, err = os.Stat(filepath.Dir(f.path))
		return Stamp{unknown: err != nil}
	}
	if err != nil {
		return Stamp{unknown: true}
	}
	return StampOf(info, false)
}

// StampOf returns the stamp of the file that info describes. otherForm is what
// [Stamp.OtherForm] reports.
func StampOf(info os.FileInfo, otherForm bool) Stamp { return Stamp{info: info, other: otherForm} }

// Same reports whether the present stamp s is of the same content as an earlier
// one: each write makes a new file. A disk that does not tell has not changed.
func (s Stamp) Same(earlier Stamp) bool {
	if s.unknown || earlier.unknown {
		return s.unknown
	}
	if s.info == nil || earlier.info == nil {
		return s.info == nil && earlier.info == nil
	}
	if !s.info.ModTime().Equal(earlier.info.ModTime()) || s.info.Size() != earlier.info.Size() {
		return false
	}
	// On Windows SameFile opens the file, and while processes that wait for the lock do
	// that all the time, the one with the lock cannot replace it. Times are of 100 ns there.
	return runtime.GOOS == "windows" || os.SameFile(s.info, earlier.info)
}

// errNewer is the fault of a file that a newer version wrote.
var errNewer = errors.New("written by a newer version")

var errDamaged = errors.New("damaged")
