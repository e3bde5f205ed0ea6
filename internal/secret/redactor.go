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

// piece is the shortest part of a long secret that is redacted, in bytes. Shorter parts could
// occur in a text by chance.
const piece = 16

// shortest is the length of the shortest secret that is redacted, in bytes.
const shortest = 6

// A Redactor removes secrets from texts: whole secrets and any 16 consecutive bytes of one,
// plain or escaped for JSON or a URL, and if disguised, also in Base64, in hexadecimal and
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

// forms returns text in the encodings in which programs print it.
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
