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
	mu     sync.Mutex
	path   string
	within string // the directory that it must not leave, links followed; "" for anywhere
	out    *os.File
	info   os.FileInfo // of out
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

func (f *file) move(path, within string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path != path || f.within != within {
		f.close()
		f.path, f.within = path, within
	}
}

func (f *file) open() {
	f.close()
	out, err := f.openFile()
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

func (f *file) openFile() (*os.File, error) {
	const flags = os.O_APPEND | os.O_CREATE | os.O_WRONLY
	if f.within == "" {
		_ = os.MkdirAll(filepath.Dir(f.path), 0o700)
		return os.OpenFile(f.path, flags, 0o600)
	}
	// A link may have come since the path was judged.
	name, err := filepath.Rel(f.within, f.path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(f.within)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	_ = root.MkdirAll(filepath.Dir(name), 0o700)
	return root.OpenFile(name, flags, 0o600)
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
