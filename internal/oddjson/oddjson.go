// Package oddjson reads the JSON of servers that do not quite write JSON.
package oddjson

import (
	"encoding/json"
	"regexp"
)

// Corrected returns the text with {} in place of each value that is a word which JSON does not
// have: NaN and Infinity, as Python writes them, None, undefined, 03600. Readers that accept a
// value of a wrong type then read the rest.
func Corrected(text []byte) []byte {
	if json.Valid(text) {
		return text
	}
	stringOrWord := regexp.MustCompile(`"(?:[^"\\]|\\.)*"?|[:,\[]\s*[\w.+-]+`)
	return stringOrWord.ReplaceAllFunc(text, func(found []byte) []byte {
		if found[0] == '"' || json.Valid(found[1:]) {
			return found
		}
		return []byte{found[0], '{', '}'}
	})
}
