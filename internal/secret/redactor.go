package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/bits"
	"net/url"
	"slices"
	"strings"
)

// piece is how many characters in a row of a secret are recognised, in bytes.
// Fewer may stand anywhere by chance.
const piece = 16

// shortest is the length of the shortest secret that is looked for, in bytes.
const shortest = 6

// A Redactor takes known secrets out of texts: a whole one and any 16 characters
// in a row of it, as they are or escaped for JSON or a URL; disguised ones, too, in
// Base64, in hexadecimal and backwards.
type Redactor struct {
	hashes []uint64 // of every piece, each at its first free place from its first bits on; 0 is free
	shift  int      // what is left of a hash are its first bits
	short  []string // what is shorter than a piece
}

// NewRedactor returns the redactor for secrets. A line of a longer secret, such as
// a key in PEM, is a secret by itself; the header of a JWT is none, since others
// have the same.
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
	places := bits.Len(uint(pieces)) + 1 // at most half of them are taken
	r.hashes, r.shift = make([]uint64, 1<<places), 64-places
	for _, form := range long {
		eachPiece(form, func(_ int, hash uint64) { r.hashes[r.place(hash)] = hash })
	}
	return r
}

// place is where a hash is, or would be.
func (r *Redactor) place(hash uint64) int {
	for i := int(hash >> r.shift); ; i = (i + 1) & (len(r.hashes) - 1) {
		if at := r.hashes[i]; at == hash || at == 0 {
			return i
		}
	}
}

// forms are the ways in which a program prints text.
func forms(text string, disguised bool) []string {
	quoted, _ := json.Marshal(text)
	all := []string{text}
	for _, escaped := range []string{string(quoted[1 : len(quoted)-1]), url.QueryEscape(text)} {
		if escaped != text {
			all = append(all, escaped)
		}
	}
	if !disguised {
		return all
	}
	digits := hex.EncodeToString([]byte(text))
	backwards := []byte(text)
	slices.Reverse(backwards)
	all = append(all, digits, strings.ToUpper(digits), string(backwards))
	// What stands before it decides how three bytes become four characters; the
	// outermost ones depend on the neighbours.
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

// value of a character: both alphabets of Base64 (RFC 4648) are one here.
func value(c byte) uint64 {
	switch c {
	case '-':
		c = '+'
	case '_':
		c = '/'
	}
	return uint64(c) + 1
}

// Redact returns text with "[redacted]" in the place of secrets, and whether there
// were any.
func (r *Redactor) Redact(text string) (string, bool) {
	var spans [][2]int
	eachPiece(text, func(end int, hash uint64) {
		if r.hashes == nil || hash == 0 || r.hashes[r.place(hash)] != hash {
			return
		}
		if last := len(spans) - 1; last >= 0 && end-piece <= spans[last][1] {
			spans[last][1] = end
		} else {
			spans = append(spans, [2]int{end - piece, end})
		}
	})
	clean := text
	if spans != nil {
		var b strings.Builder
		from := 0
		for _, span := range spans {
			b.WriteString(text[from:span[0]] + redacted)
			from = span[1]
		}
		clean = strings.ToValidUTF8(b.String()+text[from:], "")
	}
	for _, short := range r.short {
		clean = strings.ReplaceAll(clean, short, redacted)
	}
	return clean, clean != text
}
