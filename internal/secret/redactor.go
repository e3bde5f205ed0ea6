package secret

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// piece is the shortest part of a long secret that is redacted, in bytes. Shorter parts could
// occur in a text by chance.
const piece = 16

// shortest is the length of the shortest secret that is redacted, in bytes.
const shortest = 6

// A Redactor removes secrets from texts: whole secrets and any 16 consecutive bytes of one,
// plain or escaped for HTML, JSON or a URL, and if disguised, also in Base64, in hexadecimal and
// backwards. It is safe for concurrent use.
type Redactor struct {
	hashes []uint64 // a hash table with open addressing of the hashes of all pieces; 0 is a free slot
	shift  int      // a hash shifted right by this is its first slot
	short  []string // the secrets shorter than a piece
}

// NewRedactor returns the redactor for secrets. Each line of a secret with several lines, such
// as a key in PEM, counts as a secret. The header of a JWT does not, since other tokens have
// the same header.
func NewRedactor(secrets []Text, disguised bool) *Redactor {
	r := &Redactor{}
	var long []string
	pieces := 0
	for _, secret := range secrets {
		for line := range strings.Lines(secret.text) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "-----") {
				continue
			}
			if _, rest, ok := strings.Cut(line, "."); ok && strings.HasPrefix(line, "eyJ") {
				line = rest
			}
			if len(line) < shortest {
				continue
			}
			for _, form := range forms(line, disguised) {
				if len(form) < piece {
					r.short = append(r.short, form)
					continue
				}
				long = append(long, form)
				pieces += len(form) - piece + 1
			}
		}
	}
	if pieces == 0 {
		return r
	}
	places := bits.Len(uint(pieces)) + 1 // at most half of the slots are used
	r.hashes, r.shift = make([]uint64, 1<<places), 64-places
	for _, form := range long {
		eachPiece(form, func(_ int, hash uint64) { r.hashes[r.place(hash)] = hash })
	}
	return r
}

// place returns the slot of a hash, or the free slot where it would be added.
func (r *Redactor) place(hash uint64) int {
	for i := int(hash >> r.shift); ; i = (i + 1) & (len(r.hashes) - 1) {
		if at := r.hashes[i]; at == hash || at == 0 {
			return i
		}
	}
}

// forms returns text in the encodings that unescape does not undo.
func forms(text string, disguised bool) []string {
	all := []string{text}
	if strings.Contains(text, " ") {
		all = append(all, strings.ReplaceAll(text, " ", "+")) // in a form
	}
	if !disguised {
		return all
	}
	digits := hex.EncodeToString([]byte(text))
	backwards := []byte(text)
	slices.Reverse(backwards)
	all = append(all, digits, strings.ToUpper(digits), string(backwards))
	// Base64 encodes three bytes as four characters, so the encoding depends on the offset
	// of the text; its first and last characters also depend on the bytes around it.
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat(" ", shift) + text))
		from, to := []int{0, 2, 3}[shift], len(encoded)
		if (shift+len(text))%3 != 0 {
			to--
		}
		all = append(all, encoded[from:to])
	}
	return all
}

// eachPiece calls f with the hash of every piece of text and the offset of its end.
func eachPiece(text string, f func(end int, hash uint64)) {
	const base = 0x9e3779b97f4a7c15 // odd, with mixed bits
	first := uint64(1)              // base to the power of a piece
	for range piece {
		first *= base
	}
	hash := uint64(0)
	for i := range len(text) {
		hash = hash*base + value(text[i])
		if i >= piece {
			hash -= first * value(text[i-piece])
		}
		if i >= piece-1 {
			f(i+1, hash)
		}
	}
}

// value returns the number of a character for hashing. The characters that differ between the
// two Base64 alphabets (RFC 4648) have the same number.
func value(c byte) uint64 {
	switch c {
	case '-':
		c = '+'
	case '_':
		c = '/'
	}
	return uint64(c) + 1
}

// Redact returns text with "[redacted]" in place of secrets, and whether it had any.
func (r *Redactor) Redact(text string) (string, bool) {
	var spans [][2]int
	find := func(start, end int) { spans = append(spans, [2]int{start, end}) }
	r.find(text, find)
	for _, mark := range []byte(`&\%`) {
		if plain, starts := unescape(text, mark); plain != text {
			r.find(plain, func(start, end int) { find(starts[start], starts[end]) })
		}
	}
	if spans == nil {
		return text, false
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	var clean strings.Builder
	from := 0
	for i := 0; i < len(spans); {
		start, end := spans[i][0], spans[i][1]
		for i++; i < len(spans) && spans[i][0] <= end; i++ {
			end = max(end, spans[i][1])
		}
		clean.WriteString(text[from:start] + redacted)
		from = end
	}
	return strings.ToValidUTF8(clean.String()+text[from:], ""), true
}

// find calls f with the start and end of every secret in text, and of every piece of one.
func (r *Redactor) find(text string, f func(start, end int)) {
	eachPiece(text, func(end int, hash uint64) {
		if r.hashes != nil && hash != 0 && r.hashes[r.place(hash)] == hash {
			f(end-piece, end)
		}
	})
	for _, short := range r.short {
		for end := 0; ; {
			at := strings.Index(text[end:], short)
			if at < 0 {
				break
			}
			f(end+at, end+at+len(short))
			end += at + len(short)
		}
	}
}

// unescape undoes the escapes that begin with mark: & of HTML, \ of JSON and of programs, % of
// URLs. Byte i of plain begins at starts[i] in text; the last element is the end of text.
func unescape(text string, mark byte) (plain string, starts []int) {
	if strings.IndexByte(text, mark) < 0 {
		return text, nil
	}
	b := make([]byte, 0, len(text))
	starts = make([]int, 0, len(text)+1)
	for i := 0; i < len(text); {
		char, size := text[i:i+1], 1
		if char[0] == mark {
			char, size = unescapeOne(text[i:])
		}
		for range len(char) {
			starts = append(starts, i)
		}
		b = append(b, char...)
		i += size
	}
	return string(b), append(starts, len(text))
}

// unescapeOne returns the character that text begins with, and how long its escape is.
func unescapeOne(text string) (char string, size int) {
	const longest = len("&DiacriticalAcute;")
	switch text[0] {
	case '&':
		end := strings.IndexByte(text[:min(len(text), longest)], ';') + 1
		if char = html.UnescapeString(text[:end]); char != text[:end] {
			return char, end
		}
	case '\\':
		if char, _, rest, err := strconv.UnquoteChar(text, '"'); err == nil {
			return string(char), len(text) - len(rest)
		}
		if len(text) > 1 {
			return text[1:2], 2
		}
	case '%':
		if char, err := hex.DecodeString(text[1:min(len(text), 3)]); err == nil && len(char) == 1 {
			return string(char), 3
		}
	}
	return text[:1], 1
}
