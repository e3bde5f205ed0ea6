// Package disktest makes files for tests as programs on Windows make them.
package disktest

import (
	"encoding/binary"
	"os"
	"testing"
	"unicode/utf16"
)

// UTF16 is text as PowerShell 5 writes it where a command's output goes into a file: with
// a byte order mark, in UTF-16, which is little endian there.
func UTF16(text string, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

// Link makes a symbolic link, or skips the test where there are none: Windows reserves
// them for administrators and developers, and wine makes something else.
func Link(t testing.TB, target, link string) {
	t.Helper()
	if err := os.Symlink(target, link); err != nil {
		t.Skip("links cannot be made here:", err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Skip("links are not made here")
	}
}
