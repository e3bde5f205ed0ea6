package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// members are those of a JSON object. Each is read on its own, so that an odd one
// spoils no other: a domain that writes a lifetime as a text must not cost a session.
type members struct {
	raw map[string]json.RawMessage
	odd []string // names of those that are not what they should be
}

var errNotObject = errors.New("not a JSON object")

// readMembers reads an object. Of one that is cut off or malformed it returns the
// members before that place, and an error.
func readMembers(text []byte) (*members, error) {
	m := &members{raw: map[string]json.RawMessage{}}
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return m, errNotObject
	}
	last := ""
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return m, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return m, fmt.Errorf("%v: %w", Printable(fmt.Sprint(name), 40), err)
		}
		last = fmt.Sprint(name)
		m.raw[last] = value
	}
	_, err := decoder.Token()
	if err != nil && strings.ContainsAny(string(m.raw[last]), "0123456789") && m.raw[last][0] != '"' {
		delete(m.raw, last) // half a number looks like a whole one
	}
	return m, err
}

// text returns a member that is a text, or "".
func (m *members) text(name string) string {
	raw, there := m.raw[name]
	if !there || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		m.note(name)
	}
	return text
}

// seconds returns a member that is a number of seconds, of at most longest, or 0
// where there is none to use: whole or with a fraction or an exponent, as a number or
// as a text.
func (m *members) seconds(name string, longest time.Duration) time.Duration {
	raw, there := m.raw[name]
	if !there {
		return 0
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(strings.Trim(string(raw), `"`)), 64)
	if err != nil || !(number >= 1) || number > longest.Seconds() {
		m.note(name)
		return 0
	}
	if raw[0] == '"' {
		m.note(name)
	}
	return time.Duration(number) * time.Second
}

func (m *members) note(name string) {
	if !slices.Contains(m.odd, name) {
		m.odd = append(m.odd, name)
	}
}
