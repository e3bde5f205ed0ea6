// Package regular reads files whose paths come from a configuration or the environment. Such
// a path may lead to anything: a FIFO without a writer, a device, a directory, a disk image.
// The package opens only regular files, so that it never blocks, and its errors say what else
// is at the path.
package regular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
)

// Open opens the regular file at path, or a link to one, for reading. Its error is a
// [fs.PathError]. The error of a dangling link is not [fs.ErrNotExist], because a file that a
// link refers to was meant to be there.
func Open(path string) (*os.File, error) { return OpenFile(path, os.O_RDONLY, 0) }

// OpenFile is [os.OpenFile] for a regular file, or with O_CREATE for a new one.
func OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	// Check before opening, because opening some devices has an effect.
	switch info, err := os.Stat(path); {
	case err == nil:
		if err := Check(path, info); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0:
	case errors.Is(err, fs.ErrNotExist) && isLink(path):
		return nil, failed(path, "it is a link to what does not exist")
	default:
		return nil, err
	}
	file, err := disk.Open(path, flag|NonBlock, mode)
	if err != nil {
		return nil, err
	}
	// Check again: the file may have been replaced since.
	info, err := file.Stat()
	if err == nil {
		err = Check(path, info)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// Check returns nil if info describes a regular file, and otherwise an error that says what is
// at path.
func Check(path string, info fs.FileInfo) error {
	kind := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	default:
		kind = "something else"
	}
	return failed(path, "it is "+kind+", not a file")
}

// Read returns the content of the regular file at path, which must have at most limit bytes. It
// reads a file again if it changed meanwhile, and on Windows waits up to
// [disk.ReadPatience] for a file that another program has opened exclusively.
func Read(path string, limit int64) (content []byte, err error) {
	err = disk.Patiently(disk.ReadPatience, func() error {
		content, err = read(path, limit)
		return err
	})
	return content, err
}

// ReadText is [Read] for a file that a person wrote. It returns UTF-8 without a byte order
// mark; see [disk.DecodeText].
func ReadText(path string, limit int64) ([]byte, error) {
	content, err := Read(path, limit)
	if err != nil {
		return nil, err
	}
	text, err := disk.DecodeText(content)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return text, nil
}

func read(path string, limit int64) ([]byte, error) {
	for range 5 {
		text, whole, err := readOnce(path, limit)
		if err != nil || whole {
			return text, err
		}
	}
	return nil, failed(path, "it is being written all the time")
}

func readOnce(path string, limit int64) (text []byte, whole bool, err error) {
	file, err := Open(path)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	return readFile(path, file, limit)
}

// patience is how long reading may wait for a file that calls itself regular and blocks, as
// /proc/kmsg does.
const patience = time.Second

func readFile(path string, file *os.File, limit int64) (text []byte, whole bool, err error) {
	_ = file.SetReadDeadline(time.Now().Add(patience)) // has no effect on files that never block
	before, err := file.Stat()
	if err != nil {
		return nil, false, err
	}
	var content bytes.Buffer
	if before.Size() <= limit {
		content.Grow(int(before.Size()) + bytes.MinRead) // one read call is enough
		if _, err := content.ReadFrom(io.LimitReader(file, limit+1)); err != nil {
			return nil, false, err
		}
	}
	if max(before.Size(), int64(content.Len())) > limit {
		return nil, false, failed(path, fmt.Sprintf("it is larger than %d bytes", limit))
	}
	after, err := file.Stat()
	if err != nil {
		return nil, false, err
	}
	return content.Bytes(), after.Size() == int64(content.Len()) && after.ModTime().Equal(before.ModTime()), nil
}

func failed(path, what string) error {
	return &fs.PathError{Op: "open", Path: path, Err: errors.New(what)}
}

// Why formats an error of this package as the end of a sentence that begins with the name of
// the file: "does not exist", "is a directory, not a file", "cannot be read: permission
// denied".
func Why(err error) string {
	var cause *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, syscall.ENOTDIR):
		return "cannot be read, because one of its directories is a file"
	case errors.As(err, &cause):
		err = cause.Err
	}
	if what, ours := strings.CutPrefix(err.Error(), "it "); ours {
		return what
	}
	return "cannot be read: " + err.Error()
}
