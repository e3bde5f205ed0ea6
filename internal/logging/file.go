package logging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
)

const (
	maxSize    = 5 << 20 // bytes, until the file is moved aside
	maxBackups = 2       // path.1 is the younger one
)

// stderrWait is how long a line waits for a terminal or a pipe before it is lost.
const stderrWait = 100 * time.Millisecond

// file is a log file that several processes append to. It is opened at its first
// write, can move, and is moved aside when it has grown.
//
// The libraries that rotate logs, lumberjack and timberjack, assume that one process writes
// to a file; here each window of OpenCode has one. They also follow links, which a project's
// log must not.
type file struct {
	mu    sync.Mutex
	path  string
	bound bool // no link leads to it
	out   *os.File
	info  os.FileInfo // of out
	ours  bool        // out is a file, and not what standard error leads to
	stuck int64       // bytes, up to which a file that could not be moved aside grows

	stalled bool // nobody reads what standard error leads to
}

// Write appends a line. What cannot be written is lost; [Check] says why.
func (f *file) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" || f.stalled {
		return len(line), nil
	}
	info, err := os.Stat(f.path)
	// Another process may have moved it aside, or a person erased it.
	if f.out == nil || err != nil || !os.SameFile(info, f.info) {
		f.open()
		info = f.info
	}
	if f.out != nil && f.ours && info != nil && info.Size()+int64(len(line)) > max(maxSize, f.stuck) {
		f.close()
		f.moveAside()
		f.open()
		// A program that keeps it where it is is not asked again at every line.
		f.stuck = 0
		if f.info != nil && f.info.Size() > 0 {
			f.stuck = f.info.Size() + maxSize/10
		}
	}
	if f.out != nil {
		_ = f.out.SetWriteDeadline(time.Now().Add(stderrWait)) // files have none
		if _, err := f.out.Write(line); errors.Is(err, os.ErrDeadlineExceeded) {
			f.close()
			f.stalled = true // one line has waited, and no other will
		}
	}
	return len(line), nil
}

func (f *file) move(path string, bound bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path != path || f.bound != bound {
		f.close()
		f.path, f.bound, f.stalled = path, bound, false
	}
}

func (f *file) open() {
	f.close()
	if f.bound && !linkless(f.path) {
		return
	}
	if isStderr(f.path) {
		f.out, _ = openStderr(f.path)
	} else {
		_ = os.MkdirAll(filepath.Dir(f.path), 0o700)
		f.out, _ = regular.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		f.ours = f.out != nil
	}
	if f.out == nil {
		return
	}
	f.info, _ = f.out.Stat()
	// The published plugin left its log readable to everybody.
	if f.ours && f.info != nil && f.info.Mode().Perm() != 0o600 {
		_ = f.out.Chmod(0o600)
	}
}

// isStderr reports whether path leads to where standard error goes, such as
// /dev/stderr does.
func isStderr(path string) bool {
	info, err := os.Stat(path)
	stderr, none := os.Stderr.Stat()
	return err == nil && none == nil && os.SameFile(info, stderr) && !isNothing(path, info)
}

// isNothing reports the device that swallows everything.
func isNothing(path string, info os.FileInfo) bool {
	nothing, err := os.Stat(os.DevNull)
	return path == os.DevNull || err == nil && os.SameFile(info, nothing)
}

// openStderr opens what standard error leads to a second time, so that waiting for
// whoever reads it can end.
func openStderr(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|regular.NonBlock, 0)
}

// Check says why nothing can be added to the log at path: a sentence for a person. It
// returns "" where something can be, where there is no log yet, and where log_file is
// the device that swallows everything.
func Check(path string) string {
	info, err := os.Stat(path)
	if path == "" || errors.Is(err, fs.ErrNotExist) || err == nil && isNothing(path, info) {
		return ""
	}
	open := func(path string) (*os.File, error) { return regular.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0) }
	if isStderr(path) {
		open = openStderr
	}
	file, err := open(path)
	if err != nil {
		return fmt.Sprintf("The log %s cannot be written: it %s.", path, strings.Replace(regular.Why(err), "read:", "opened:", 1))
	}
	_ = file.Close()
	return ""
}

// linkless reports that nothing on the way to path is a link, as far as there is
// something.
func linkless(path string) bool {
	if info, err := os.Lstat(path); err == nil && info.Mode()&(os.ModeSymlink|os.ModeIrregular) != 0 {
		return false
	}
	dir := filepath.Dir(path)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil && dir != path {
		return linkless(dir)
	}
	return real == dir
}

func (f *file) close() {
	if f.out != nil {
		_ = f.out.Close()
		f.out, f.info, f.ours = nil, nil, false
	}
}

// moveAside renames the file itself, where a link leads to it.
func (f *file) moveAside() {
	path, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return
	}
	name := func(n int) string { return path + "." + strconv.Itoa(n) }
	for n := maxBackups; n > 1; n-- {
		_ = disk.MoveAside(name(n-1), name(n))
	}
	_ = os.Rename(path, name(1))
}
