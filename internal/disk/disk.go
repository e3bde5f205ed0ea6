// Package disk opens, replaces and erases files in the way that every platform puts
// up with.
//
// Windows refuses what Unix allows: a file that any program has open without sharing
// its deletion cannot be renamed over, moved aside or erased, and one that is just
// being replaced cannot be opened. A virus scanner, a backup or a search index does that
// to any file for a second or two. So this package opens files so that they do not
// stand in another process's way, and tries again for a while where a refusal may pass.
package disk

import (
	"errors"
	"runtime"
	"strings"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// How long a refusal that may pass is waited for. A replacement often happens while
// nothing else can go on, and what it writes may exist nowhere else.
const (
	ReadPatience    = 2 * time.Second
	replacePatience = 8 * time.Second
)

// DecodeText returns content in UTF-8 and without a byte order mark. PowerShell 5 writes
// UTF-16 with a mark where a command's output is redirected to a file, and Notepad may
// write UTF-8 with one. Its error says that content is not text.
func DecodeText(content []byte) ([]byte, error) {
	text, _, err := transform.Bytes(unicode.BOMOverride(encoding.Nop.NewDecoder()), content)
	if err != nil || strings.ContainsRune(string(text), 0) {
		return nil, errors.New("it is not text; save it as UTF-8")
	}
	return text, nil
}

// Rename gives the file at path from the name to, whose file it replaces.
func Rename(from, to string) error {
	return Patiently(replacePatience, func() error { return rename(from, to) })
}

// Remove erases the file at path.
func Remove(path string) error {
	return Patiently(replacePatience, func() error { return remove(path) })
}

// Patiently calls do until it succeeds, fails for good, or patience has passed.
func Patiently(patience time.Duration, do func() error) error {
	deadline := time.Now().Add(patience)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := do()
		if err == nil || !mayPass(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// OverNetwork reports whether a path may lead to another machine, or to a device, by its
// text alone. On Windows that is whatever begins with two slashes of either kind
// (\\host\share, //host/share, \\?\UNC\host\share, \\.\pipe\name, \\host@SSL\DavWWWRoot),
// or is the same in the words of the kernel (\??\UNC\host\share). A letter that stands for
// a share is not told from one that stands for a disk: the person has connected it.
func OverNetwork(path string) bool { return runtime.GOOS == "windows" && overNetwork(path) }

func overNetwork(path string) bool {
	path = strings.ReplaceAll(path, "/", `\`)
	return strings.HasPrefix(path, `\\`) || strings.HasPrefix(path, `\??`)
}
