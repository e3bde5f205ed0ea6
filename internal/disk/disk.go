// Package disk opens, replaces and removes files in a way that works on every platform.
//
// On Windows a file cannot be replaced, renamed or removed while a program has it open
// without FILE_SHARE_DELETE, and cannot be opened while it is being replaced. Virus scanners,
// backups and search indexers keep any file open for a second or two. So this package opens
// files with sharing, and retries for a while if an error may be temporary.
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

// How long an operation is retried. Replacing a file is retried longer, because its content
// (new tokens, for example) may exist nowhere else.
const (
	ReadPatience    = 2 * time.Second
	replacePatience = 8 * time.Second
)

// DecodeText returns content in UTF-8 without a byte order mark. Content may be UTF-8, or
// UTF-16 with a byte order mark, which PowerShell 5 writes when output is redirected to a
// file. Its error says that content is not text.
func DecodeText(content []byte) ([]byte, error) {
	text, _, err := transform.Bytes(unicode.BOMOverride(encoding.Nop.NewDecoder()), content)
	if err != nil || strings.ContainsRune(string(text), 0) {
		return nil, errors.New("it is not text; save it as UTF-8")
	}
	return text, nil
}

// Rename renames a file. It replaces the file at the path to, if there is one.
func Rename(from, to string) error {
	return Patiently(replacePatience, func() error { return rename(from, to) })
}

// Remove removes the file at path.
func Remove(path string) error {
	return Patiently(replacePatience, func() error { return remove(path) })
}

// Patiently calls do until it succeeds, returns an error that is not temporary, or patience
// has passed.
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

// OverNetwork reports, from its text alone, whether a path may lead to another machine or a
// device. On Windows that is a path that begins with two slashes of either kind
// (\\host\share, //host/share, \\?\UNC\host\share, \\.\pipe\name, \\host@SSL\DavWWWRoot) or
// with the kernel's prefix (\??\UNC\host\share). It is false for a drive letter, even of a
// network drive, because the person has connected that. On other systems it is false.
func OverNetwork(path string) bool { return runtime.GOOS == "windows" && overNetwork(path) }

func overNetwork(path string) bool {
	path = strings.ReplaceAll(path, "/", `\`)
	return strings.HasPrefix(path, `\\`) || strings.HasPrefix(path, `\??`)
}
