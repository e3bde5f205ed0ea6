package logging

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
)

// lastSearched is how much Last reads from the end of a log, in bytes.
const lastSearched = 256 << 10

// Last returns the attributes, by name, of the last record in the log at path for which want
// returns true, or nil if there is none near the end. It skips damaged lines.
func Last(path string, want func(record map[string]string) bool) map[string]string {
	text := Tail(path, lastSearched)
	for len(text) > 0 {
		start := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
		if record := attributes(string(text[start:])); want(record) {
			return record
		}
		text = text[:start]
	}
	return nil
}

// Tail returns the end of the log at path, at most limit bytes, or nil if it cannot be read.
func Tail(path string, limit int64) []byte {
	file, err := regular.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	if size, err := file.Seek(0, io.SeekEnd); err == nil {
		_, _ = file.Seek(max(0, size-limit), io.SeekStart)
	}
	text, err := io.ReadAll(io.LimitReader(file, limit))
	if err != nil {
		return nil
	}
	return text
}

// attributes parses a line of slog's text handler: name=value pairs, in which values with
// special characters are quoted as in Go.
func attributes(line string) map[string]string {
	record := map[string]string{}
	for {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			return record
		}
		value, _, _ := strings.Cut(rest, " ")
		line = rest[len(value):]
		if quoted, err := strconv.QuotedPrefix(rest); err == nil && rest[0] == '"' {
			value, _ = strconv.Unquote(quoted)
			line = rest[len(quoted):]
		}
		record[name] = value
	}
}
