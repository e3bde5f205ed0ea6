// Package disktest creates files for tests in the way that programs on Windows do.
package disktest

import (
	"encoding/binary"
	"os"
	"testing"
	"unicode/utf16"
)

// UTF16 returns text in UTF-16 with a byte order mark. With little endian, PowerShell 5 writes
// files like this when output is redirected.
func UTF16(text string, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

// Link creates a symbolic link, or skips the test if it cannot: Windows allows them only for
// administrators and developers, and wine creates something else.
func Link(t testing.TB, target, link string) {
	t.Helper()
	if err := os.Symlink(target, link); err != nil {
		t.Skip("links cannot be made here:", err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Skip("links are not made here")
	}
}
