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
	"strings"
	"sync/atomic"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

// maxTokensSize is the longest token file that is read, in bytes.
const maxTokensSize = 1 << 20

// A File is the file with the saved tokens of one session. Several processes may use it at
// once; call Save and Erase while holding its lock.
type File struct {
	path     string
	domain   string
	clientID string
	store    config.TokenStore // token_store in the configuration
	own      bool              // the configuration is the person's own, not a project's

	locked atomic.Bool // this process holds the lock
}

// Open returns the file of the session that a configuration describes. Two configurations
// share a session if they have the same domain, client, scope and auth_method, and the same
// audience, resources and extra parameters. Open does not touch the disk.
func Open(p store.Places, c config.Config) *File {
	parts := []any{
		canonicalOrigin(c.DomainURL), c.ClientID, check.CanonicalScope(c.Scope), string(c.AuthMethod),
	}
	// Added only if set, so that files from before these keys existed keep their names.
	if more := (tokenTarget{c.Audience, c.Resources, c.ExtraParams}); more.Audience != "" || len(more.Resources)+len(more.ExtraParams) > 0 {
		parts = append(parts, more)
	}
	canonical, _ := json.Marshal(parts)
	key := sha256.Sum256(canonical)
	file := &File{domain: c.DomainURL, clientID: c.ClientID, store: c.TokenStore, own: config.Own(p, c.Path)}
	if p.StateDir != "" { // without it the path would be relative to the working directory
		file.path = filepath.Join(p.StateDir, hex.EncodeToString(key[:])+".json")
	}
	return file
}

// A tokenTarget is what a configuration requests tokens for, besides the scope.
type tokenTarget struct {
	Audience    string
	Resources   []string
	ExtraParams map[string]string
}

// canonicalOrigin returns the origin in lower case and without the scheme's default port,
// which Oracle's console shows in some places only.
func canonicalOrigin(origin string) string {
	origin = strings.ToLower(origin)
	if rest, ok := strings.CutPrefix(origin, "https://"); ok {
		return "https://" + strings.TrimSuffix(rest, ":443")
	}
	return strings.TrimSuffix(origin, ":80")
}

// Path returns the file's path, or "" if there is no state directory.
func (f *File) Path() string { return f.path }

// A Stamp identifies the content of the file, to notice a change without reading it. The
// zero Stamp means that there is no file.
type Stamp struct {
	info    os.FileInfo
	unknown bool // stat failed or gone, so the content is unknown
	gone    bool // see Gone
	other   bool // see OtherForm
}

// OtherForm reports whether the loaded tokens should be saved again: they are plain although
// the configuration asks for encryption, the other way round, or still in a draft.
func (s Stamp) OtherForm() bool { return s.other }

// Gone reports whether there is neither the file nor its lock. A sign-out removes the file
// and not the lock. So either nobody has ever signed in, or the directory was removed, or the
// disk that it is on is not there now; nothing is known of the tokens.
func (s Stamp) Gone() bool { return s.gone }

// Stamp returns the file's present stamp. It costs one stat.
func (f *File) Stamp() Stamp {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.missing()
	}
	if err != nil {
		return Stamp{unknown: true}
	}
	return StampOf(info, false)
}

// missing returns the stamp of a file that is not there.
func (f *File) missing() Stamp {
	_, err := os.Stat(f.lockPath())
	return Stamp{unknown: err != nil, gone: errors.Is(err, fs.ErrNotExist)}
}

func (f *File) lockPath() string { return strings.TrimSuffix(f.path, ".json") + ".lock" }

// StampOf returns the stamp of the file that info describes, for tests. otherForm is the
// result of its [Stamp.OtherForm].
func StampOf(info os.FileInfo, otherForm bool) Stamp { return Stamp{info: info, other: otherForm} }

// Same reports whether the present stamp s has the same content as an earlier one. That
// works because each write creates a new file. If s is unknown, Same reports true: a disk
// error is not a change.
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
	// On Windows SameFile opens the file. If the processes that wait for the lock did that at
	// each poll, the one with the lock could not replace the file. Size and time are enough
	// there, since times have a resolution of 100 ns.
	return runtime.GOOS == "windows" || os.SameFile(s.info, earlier.info)
}

// errNewer means that a newer version wrote the file: see [Newer].
var errNewer = errors.New("written by a newer version")

// errDamaged means that the file cannot be parsed or decrypted: see [Damaged].
var errDamaged = errors.New("damaged")
