package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
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

	unusable []string // names of those of a type that nothing can be made of
}

var errNotObject = errors.New("not a JSON object")

// readMembers reads an object. Of one that is cut off or malformed it returns the
// members before that place, and an error.
func readMembers(text []byte) (*members, error) {
	m := &members{raw: map[string]json.RawMessage{}}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if after, ok := bytes.CutPrefix(text, []byte(")]}'")); ok { // kept from being a script
		text = bytes.TrimLeft(after, ", \t\r\n")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
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
		if before := m.raw[last]; len(before) > 2 && (string(value) == "null" || string(value) == `""`) {
			m.note(last) // an empty one takes nothing away
			continue
		}
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

// single returns a member that is a text, or a list of one, or "".
func (m *members) single(name string) string {
	var one []json.RawMessage
	if raw := m.raw[name]; json.Unmarshal(raw, &one) == nil && len(one) == 1 {
		m.note(name)
		m.raw[name] = one[0]
	}
	return m.text(name)
}

// loose returns a member that should be a text and may be a number, or a list of one.
func (m *members) loose(name string) string {
	if all := m.list(name); len(all) == 1 {
		return all[0]
	} else if len(all) > 1 {
		m.reject(name)
	}
	return ""
}

// list returns a member that should be a list of texts, and may be a single one. A
// number counts as its text.
func (m *members) list(name string) (texts []string) {
	raw, there := m.raw[name]
	if !there || string(raw) == "null" {
		return nil
	}
	all := []json.RawMessage{raw}
	if raw[0] == '[' {
		all = nil
		_ = json.Unmarshal(raw, &all)
	}
	for _, one := range all {
		var text string
		var number json.Number
		switch {
		case json.Unmarshal(one, &text) == nil:
		case json.Unmarshal(one, &number) == nil:
			text = number.String()
			m.note(name)
		default:
			m.reject(name)
			continue
		}
		texts = append(texts, text)
	}
	return texts
}

// flag returns a member that is true, as it is or as a text.
func (m *members) flag(name string) bool {
	raw, there := m.raw[name]
	value, err := strconv.ParseBool(unquoted(raw))
	if there && (err != nil || raw[0] == '"') {
		m.note(name)
	}
	return value
}

// number returns a member that is a number, as it is or as a text.
func (m *members) number(name string) (number float64, ok bool) {
	raw, there := m.raw[name]
	if !there || string(raw) == "null" {
		return 0, false
	}
	number, err := strconv.ParseFloat(unquoted(raw), 64)
	if err != nil || math.IsNaN(number) || math.IsInf(number, 0) {
		m.reject(name)
		return 0, false
	}
	if raw[0] == '"' {
		m.note(name)
	}
	return number, true
}

// object returns the members of a member that is an object; none of one that is not.
func (m *members) object(name string) *members {
	raw, there := m.raw[name]
	if !there || string(raw) == "null" {
		return &members{}
	}
	inner, err := readMembers(raw)
	if err != nil {
		m.note(name)
	}
	return inner
}

// seconds returns a member that is a number of seconds, of at most longest, or 0
// where there is none to use: whole or with a fraction or an exponent, as a number or
// as a text.
func (m *members) seconds(name string, longest time.Duration) time.Duration {
	raw, there := m.raw[name]
	if !there {
		return 0
	}
	number, err := strconv.ParseFloat(unquoted(raw), 64)
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

// reject notes a member of a type that nothing can be made of.
func (m *members) reject(name string) {
	m.note(name)
	if !slices.Contains(m.unusable, name) {
		m.unusable = append(m.unusable, name)
	}
}

// unquoted is a number or a truth value, as it is or as a text.
func unquoted(raw json.RawMessage) string { return strings.TrimSpace(strings.Trim(string(raw), `"`)) }
