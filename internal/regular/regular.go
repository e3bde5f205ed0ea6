// Package regular reads files that a configuration or the environment names, and that
// may be anything: a FIFO nobody writes to, a device, a directory, a disk image. It
// opens nothing but regular files, never waits for one, and says what is there instead.
package regular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
)

// Open opens the regular file at path, or a link to one, for reading. Its error is a
// [fs.PathError]. A link that leads nowhere is an error, but none of [fs.ErrNotExist]:
// somebody meant something to be there.
func Open(path string) (*os.File, error) { return OpenFile(path, os.O_RDONLY, 0) }

// OpenFile is [os.OpenFile] for what is a regular file, or is to become one.
func OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	// Looked at before, because opening some devices does something.
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
	// It may be another one by now.
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

// Check returns an error that says what is at path instead of a regular file.
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

// Read returns what is in the regular file at path, of at most limit bytes. A file that
// is written while it is read is read again, and one that another program keeps to itself
// for a moment is waited for.
func Read(path string, limit int64) (content []byte, err error) {
	err = disk.Patiently(disk.ReadPatience, func() error {
		content, err = read(path, limit)
		return err
	})
	return content, err
}

// ReadText is [Read] for a file that a person wrote: whatever its encoding, the text is
// in UTF-8 and without a byte order mark.
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
	before, err := file.Stat()
	if err != nil {
		return nil, false, err
	}
	var content bytes.Buffer
	if before.Size() <= limit {
		content.Grow(int(before.Size()) + bytes.MinRead) // so that it is read at once
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

// Why says what an error of this package means, after the name of the file: "does not
// exist", "is a directory, not a file", "cannot be read: permission denied".
func Why(err error) string {
	var cause *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.As(err, &cause):
		err = cause.Err
	}
	if what, ours := strings.CutPrefix(err.Error(), "it "); ours {
		return what
	}
	return "cannot be read: " + err.Error()
}
