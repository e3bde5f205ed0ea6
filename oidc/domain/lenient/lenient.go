// Package lenient reads JSON objects from an identity domain. A member with a wrong type
// does not make the others unreadable, and the members before the place where an answer is
// cut off can be read. It also makes the domain's texts safe to show.
package lenient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/oddjson"
)

// An Object is a JSON object whose members are read one by one: a domain that writes
// expires_in as a string must not cost anyone their session. Reading a missing member, or
// null, returns the zero value.
type Object struct {
	Raw map[string]json.RawMessage
	Odd []string // names of the members read so far that do not have the expected form

	Unusable []string // names of those whose type cannot be converted

	// From ReadAnswer: whether the answer is a JSON object and nothing else, or a form. If it
	// is neither, the object is what could be found in it.
	Whole, Form bool
}

var errNotObject = errors.New("not a JSON object")

// maxPreamble is how much of an answer is skipped before its object, in bytes.
const maxPreamble = 100

// ReadAnswer is [Read] for the body of an answer. It skips what some servers put before the
// object: a byte order mark, a prefix against cross-site script inclusion, the name of a
// callback (JSONP), a warning, the bracket of a list. Control characters count as white
// space, also in strings, where JSON does not allow them. ReadAnswer also reads the form
// encoding in which some servers answer a token request whatever they are asked for.
func ReadAnswer(body []byte) (*Object, error) {
	body = bytes.TrimSpace(bytes.Map(func(r rune) rune {
		if r < ' ' || r == '\ufeff' {
			return ' '
		}
		return r
	}, body))
	whole := bytes.HasPrefix(body, []byte("{")) && json.Valid(body)
	switch begin := bytes.IndexByte(body, '{'); {
	case 0 < begin && begin <= maxPreamble && !bytes.ContainsAny(body[:begin], `<"`):
		body = body[begin:]
	case begin < 0 && !bytes.ContainsAny(body, ` <"?#`): // otherwise a page, a text or an address
		if form, err := url.ParseQuery(string(body)); err == nil && (form.Has("access_token") || form.Has("error")) {
			m := &Object{Raw: map[string]json.RawMessage{}, Form: true}
			for name := range form {
				m.Raw[name], _ = json.Marshal(form.Get(name))
			}
			return m, nil
		}
	}
	m, err := Read(body)
	m.Whole = whole
	return m, err
}

// Read reads an object. If it is cut off or malformed, Read returns an error and also the
// members before that place; the Object is never nil. A word that JSON does not have, such as
// NaN, None or 03600, is read as a value of a wrong type.
func Read(text []byte) (*Object, error) {
	m := &Object{Raw: map[string]json.RawMessage{}}
	decoder := json.NewDecoder(bytes.NewReader(oddjson.Corrected(text)))
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
			m.note(last) // an empty repetition does not replace the value
			continue
		}
		m.Raw[last] = value
	}
	_, err := decoder.Token()
	if err != nil && strings.ContainsAny(string(m.Raw[last]), "0123456789") && m.Raw[last][0] != '"' {
		delete(m.Raw, last) // a number that is cut off looks like a shorter number
	}
	return m, err
}

// Text returns a member that is a string, or "".
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

// Trimmed is Single without the white space around it.
func (m *Object) Trimmed(name string) string { return strings.TrimSpace(m.Single(name)) }

// Single returns a member that is a string or a list of one string, or "".
func (m *Object) Single(name string) string {
	var one []json.RawMessage
	if raw := m.Raw[name]; json.Unmarshal(raw, &one) == nil && len(one) == 1 {
		m.note(name)
		m.Raw[name] = one[0]
	}
	return m.Text(name)
}

// Loose returns, as a string, a member that is a string, a number, or a list of one of these.
func (m *Object) Loose(name string) string {
	if all := m.List(name); len(all) == 1 {
		return all[0]
	} else if len(all) > 1 {
		m.reject(name)
	}
	return ""
}

// List returns a member that is a list of strings, or a single string. Numbers are returned
// as strings.
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

// Flag returns a member that is a boolean, or a boolean in a string.
func (m *Object) Flag(name string) bool {
	raw, there := m.Raw[name]
	value, err := strconv.ParseBool(unquoted(raw))
	if there && (err != nil || raw[0] == '"') {
		m.note(name)
	}
	return value
}

// Number returns a member that is a number, or a number in a string.
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

// Object returns a member that is an object, or an empty Object.
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

// Seconds returns a member that is a number of seconds between 1 and longest, or such a
// number in a string; otherwise 0. A fraction is cut off.
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

// note adds a member to Odd.
func (m *Object) note(name string) {
	if !slices.Contains(m.Odd, name) {
		m.Odd = append(m.Odd, name)
	}
}

// reject adds a member to Odd and Unusable.
func (m *Object) reject(name string) {
	m.note(name)
	if !slices.Contains(m.Unusable, name) {
		m.Unusable = append(m.Unusable, name)
	}
}

// unquoted returns a JSON value without its quotes, if it has any.
func unquoted(raw json.RawMessage) string { return strings.TrimSpace(strings.Trim(string(raw), `"`)) }

// Printable makes a text safe to show: it replaces characters that cannot be printed, such
// as control characters, by spaces, and shortens the text to limit characters and an ellipsis.
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
