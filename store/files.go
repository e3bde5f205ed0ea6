package store

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// ErrNoHome means that there is no directory to write to.
var ErrNoHome = errors.New("there is no home directory; set HOME or XDG_STATE_HOME to the whole path of a directory")

// makePrivateDir makes the directory of path, for its owner alone.
func makePrivateDir(path string) error {
	if !filepath.IsAbs(path) {
		return ErrNoHome
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return keepPrivate(dir, info)
}

// Replace replaces a file as a whole, or leaves the old one. Only the owner can read the new
// one, and its text is on the disk before it takes the old one's name.
func Replace(path string, text []byte) error {
	draft, err := NewDraft(path, 0)
	if err != nil {
		return err
	}
	defer draft.Discard()
	return draft.Place(text)
}

// A Draft is the next content of a file, in a file with a name of its own beside it.
type Draft struct {
	path  string // of the file that it will replace
	file  *os.File
	whole bool // the text is in it, and synced
}

const draftSuffix = ".new"

// NewDraft makes a draft with room for size bytes, written and synced, so that placing that
// much needs no more space on the disk.
func NewDraft(path string, size int) (*Draft, error) {
	if err := makePrivateDir(path); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path+"."+rand.Text()[:12]+draftSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	d := &Draft{path: path, file: file}
	if size > 0 {
		_, err = file.Write(bytes.Repeat([]byte(" "), size))
		if err = errors.Join(err, file.Sync()); err != nil {
			d.Discard()
			return nil, err
		}
	}
	return d, nil
}

// Place writes the text and gives the draft the name of the file.
func (d *Draft) Place(text []byte) error {
	_, err := d.file.WriteAt(text, 0)
	if err == nil {
		err = d.file.Truncate(int64(len(text)))
	}
	if err = errors.Join(err, d.file.Sync()); err != nil {
		return err
	}
	d.whole = true
	name := d.file.Name()
	if err := d.file.Close(); err != nil {
		return err
	}
	if err := disk.Rename(name, d.path); err != nil {
		return err
	}
	d.file = nil
	SyncDir(filepath.Dir(d.path))
	removeDrafts(d.path, draftLife)
	return nil
}

// Discard removes a draft that was not placed.
func (d *Draft) Discard() {
	if d.file != nil {
		_ = d.file.Close()
		_ = os.Remove(d.file.Name())
		d.file = nil
	}
}

// Keep leaves a draft that could not be placed where [Drafts] finds it, and reports
// whether the text is safe there.
func (d *Draft) Keep() bool {
	if d.file == nil || !d.whole {
		return false
	}
	if _, err := os.Stat(d.file.Name()); err != nil {
		return false
	}
	_ = d.file.Close()
	d.file = nil
	return true
}

// draftLife is how long a process may write a draft. The process of an older one was killed.
const draftLife = 10 * time.Minute

// Drafts are the paths of the drafts of a file.
func Drafts(path string) []string {
	if path == "" {
		return nil
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	var drafts []string
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, filepath.Base(path)+".") && strings.HasSuffix(name, draftSuffix) {
			drafts = append(drafts, filepath.Join(filepath.Dir(path), name))
		}
	}
	return drafts
}

// removeDrafts removes the drafts of a file that are at least that old.
func removeDrafts(path string, age time.Duration) {
	for _, draft := range Drafts(path) {
		if info, err := os.Stat(draft); err == nil && time.Since(info.ModTime()) >= age {
			_ = os.Remove(draft)
		}
	}
}

// RemoveDrafts removes all drafts of a file. Nobody may be writing one.
func RemoveDrafts(path string) {
	for _, draft := range Drafts(path) {
		_ = os.Remove(draft)
	}
}

// Writable returns nil if files can be made in a directory, or in the nearest parent that
// exists. It tries, because the mode does not show a read-only file system.
func Writable(dir string) error {
	if dir == "" {
		return ErrNoHome
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		return Writable(filepath.Dir(dir))
	}
	probe, err := os.CreateTemp(dir, ".opencode-oci-oidc-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// NotWritten returns the problem of a file that could not be written, with what to do about
// its cause. sentence has no end: "The tokens could not be saved in PATH".
func NotWritten(sentence string, err error) *problem.Problem {
	hint := "Check that the disk has free space, and that you may write to the directory."
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "Free some space on the disk."
	case errors.Is(err, fs.ErrPermission):
		hint = "Make the directory writable by you."
	}
	return problem.New(problem.Store, sentence+": "+PlainCause(err)+".", hint).Because(err)
}

// PlainCause returns the cause of a file error, without the operation and the path.
func PlainCause(err error) string {
	var (
		pathErr *fs.PathError
		linkErr *os.LinkError
	)
	switch {
	case errors.As(err, &pathErr):
		return pathErr.Err.Error()
	case errors.As(err, &linkErr):
		return linkErr.Err.Error()
	default:
		return err.Error()
	}
}
