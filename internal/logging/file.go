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
	maxSize    = 5 << 20 // bytes; a larger file is rotated
	maxBackups = 2       // path.1 is the newer one
)

// stderrWait is how long writing a line to standard error may block before it is dropped.
const stderrWait = 100 * time.Millisecond

// file is a log file that several processes append to. It is opened at the first write, and
// rotated when it is full.
//
// The libraries lumberjack and timberjack assume that one process writes to a file, but each
// window of OpenCode has a process that does. They also follow symbolic links, which a
// project's log must not.
type file struct {
	mu    sync.Mutex
	path  string
	bound bool        // do not write if a part of path is a symbolic link
	out   *os.File    // nil if closed
	info  os.FileInfo // of out
	ours  bool        // out is a regular file and not standard error
	stuck int64       // bytes; if rotating failed, the size at which it is tried again

	stalled bool // a write to standard error timed out, because nobody reads it
}

// Write appends a line. If that fails, the line is lost; [Check] says why.
func (f *file) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" || f.stalled {
		return len(line), nil
	}
	info, err := os.Stat(f.path)
	// Another process may have rotated the file, or a person removed it.
	if f.out == nil || err != nil || !os.SameFile(info, f.info) {
		f.open()
		info = f.info
	}
	if f.out != nil && f.ours && info != nil && info.Size()+int64(len(line)) > max(maxSize, f.stuck) {
		f.close()
		f.moveAside()
		f.open()
		// If another program prevents the rotation, do not try it again at every line.
		f.stuck = 0
		if f.info != nil && f.info.Size() > 0 {
			f.stuck = f.info.Size() + maxSize/10
		}
	}
	if f.out != nil {
		_ = f.out.SetWriteDeadline(time.Now().Add(stderrWait)) // has no effect on regular files
		if _, err := f.out.Write(line); errors.Is(err, os.ErrDeadlineExceeded) {
			f.close()
			f.stalled = true // so that later lines do not wait too
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
	// The first release of the plugin created its log readable by everybody.
	if f.ours && f.info != nil && f.info.Mode().Perm() != 0o600 {
		_ = f.out.Chmod(0o600)
	}
}

// isStderr reports whether path is the file, pipe or terminal that standard error is connected
// to, as /dev/stderr is.
func isStderr(path string) bool {
	info, err := os.Stat(path)
	stderr, none := os.Stderr.Stat()
	return err == nil && none == nil && os.SameFile(info, stderr) && !isNothing(path, info)
}

// isNothing reports whether path is the null device.
func isNothing(path string, info os.FileInfo) bool {
	nothing, err := os.Stat(os.DevNull)
	return path == os.DevNull || err == nil && os.SameFile(info, nothing)
}

// openStderr opens the target of standard error again, in non-blocking mode, so that writes
// can have a deadline.
func openStderr(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|regular.NonBlock, 0)
}

// Check returns a sentence for a person that says why the log at path cannot be written. It
// returns "" if the log can be written, does not exist yet, or is the null device.
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

// linkless reports whether neither path nor a directory above it is a symbolic link. Parts
// that do not exist do not count.
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

// moveAside rotates the log. If path is a symbolic link, it renames the file that the link
// leads to.
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
