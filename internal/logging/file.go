package logging

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

const (
	maxSize    = 5 << 20 // bytes, until the file is moved aside
	maxBackups = 2       // path.1 is the younger one
)

// file is a log file that several processes append to. It is opened at its first
// write, can move, and is moved aside when it has grown.
type file struct {
	mu    sync.Mutex
	path  string
	bound bool // no link leads to it
	out   *os.File
	info  os.FileInfo // of out
}

// Write appends a line. What cannot be written is lost: nobody could be told.
func (f *file) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" {
		return len(line), nil
	}
	info, err := os.Stat(f.path)
	// Another process may have moved it aside, or a person erased it.
	if f.out == nil || err != nil || !os.SameFile(info, f.info) {
		f.open()
		info = f.info
	}
	if f.out != nil && info != nil && info.Size()+int64(len(line)) > maxSize {
		f.close()
		f.moveAside()
		f.open()
	}
	if f.out != nil {
		_, _ = f.out.Write(line)
	}
	return len(line), nil
}

func (f *file) move(path string, bound bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path != path || f.bound != bound {
		f.close()
		f.path, f.bound = path, bound
	}
}

func (f *file) open() {
	f.close()
	if f.bound && !linkless(f.path) {
		return
	}
	_ = os.MkdirAll(filepath.Dir(f.path), 0o700)
	out, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	f.out = out
	f.info, _ = out.Stat()
	// The published plugin left its log readable to everybody.
	if f.info != nil && f.info.Mode().Perm() != 0o600 {
		_ = out.Chmod(0o600)
	}
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
		f.out, f.info = nil, nil
	}
}

func (f *file) moveAside() {
	name := func(n int) string { return f.path + "." + strconv.Itoa(n) }
	for n := maxBackups; n > 1; n-- {
		_ = os.Rename(name(n-1), name(n))
	}
	_ = os.Rename(f.path, name(1))
}
