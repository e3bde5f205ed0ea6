// Package lenient reads the JSON of an identity domain: an odd member spoils no other, and
// what came before a cut counts. It also makes a domain's texts harmless to show.
package lenient

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
	"unicode"
)

// An Object is a JSON object whose members are read one by one, so that an odd one spoils
// no other: a domain that writes a lifetime as a text must not cost a session.
type Object struct {
	Raw map[string]json.RawMessage
	Odd []string // names of those that are not what they should be

	Unusable []string // names of those of a type that nothing can be made of
}

var errNotObject = errors.New("not a JSON object")

// Read reads an object. Of one that is cut off or malformed it returns the
// members before that place, and an error.
func Read(text []byte) (*Object, error) {
	m := &Object{Raw: map[string]json.RawMessage{}}
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
		if before := m.Raw[last]; len(before) > 2 && (string(value) == "null" || string(value) == `""`) {
			m.note(last) // an empty one takes nothing away
			continue
		}
		m.Raw[last] = value
	}
	_, err := decoder.Token()
	if err != nil && strings.ContainsAny(string(m.Raw[last]), "0123456789") && m.Raw[last][0] != '"' {
		delete(m.Raw, last) // half a number looks like a whole one
	}
	return m, err
}

// Text returns a member that is a text, or "".
func (m *Object) Text(name string) string {
	raw, there := m.Raw[name]
	if !there || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		m.note(name)
	}
	return text
}

// Single returns a member that is a text, or a list of one, or "".
func (m *Object) Single(name string) string {
	var one []json.RawMessage
	if raw := m.Raw[name]; json.Unmarshal(raw, &one) == nil && len(one) == 1 {
		m.note(name)
		m.Raw[name] = one[0]
	}
	return m.Text(name)
}

// Loose returns a member that should be a text and may be a number, or a list of one.
func (m *Object) Loose(name string) string {
	if all := m.List(name); len(all) == 1 {
		return all[0]
	} else if len(all) > 1 {
		m.reject(name)
	}
	return ""
}

// List returns a member that should be a list of texts, and may be a single one. A
// number counts as its text.
func (m *Object) List(name string) (texts []string) {
	raw, there := m.Raw[name]
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

// Flag returns a member that is true, as it is or as a text.
func (m *Object) Flag(name string) bool {
	raw, there := m.Raw[name]
	value, err := strconv.ParseBool(unquoted(raw))
	if there && (err != nil || raw[0] == '"') {
		m.note(name)
	}
	return value
}

// Number returns a member that is a number, as it is or as a text.
func (m *Object) Number(name string) (number float64, ok bool) {
	raw, there := m.Raw[name]
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

// Object returns the members of a member that is an object; none of one that is not.
func (m *Object) Object(name string) *Object {
	raw, there := m.Raw[name]
	if !there || string(raw) == "null" {
		return &Object{}
	}
	inner, err := Read(raw)
	if err != nil {
		m.note(name)
	}
	return inner
}

// Seconds returns a member that is a number of seconds, of at most longest, or 0
// where there is none to use: whole or with a fraction or an exponent, as a number or
// as a text.
func (m *Object) Seconds(name string, longest time.Duration) time.Duration {
	raw, there := m.Raw[name]
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

func (m *Object) note(name string) {
	if !slices.Contains(m.Odd, name) {
		m.Odd = append(m.Odd, name)
	}
}

// reject notes a member of a type that nothing can be made of.
func (m *Object) reject(name string) {
	m.note(name)
	if !slices.Contains(m.Unusable, name) {
		m.Unusable = append(m.Unusable, name)
	}
}

// unquoted is a number or a truth value, as it is or as a text.
func unquoted(raw json.RawMessage) string { return strings.TrimSpace(strings.Trim(string(raw), `"`)) }

// Printable returns at most limit characters of text, without control characters.
func Printable(text string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if runes := []rune(clean); len(runes) > limit {
		clean = string(runes[:limit]) + "…"
	}
	return strings.TrimSpace(clean)
}
