// Package check parses oci-auth.config.jsonc and checks each value by itself, with messages
// that name the line. How keys fit together is checked by package config.
package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
	"github.com/tidwall/jsonc"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A File is a configuration file that is being read. It collects the mistakes in it.
type File struct {
	Path   string
	text   []byte
	at     map[string]int           // the offset after each key
	known  map[string]reflect.Value // the fields to fill, by key
	Lines  []string                 // the mistakes, one line each
	Broken bool                     // the file cannot be used at all, for example because it is not JSON
	plain  []byte                   // text with its comments blanked out
	own    bool                     // the person wrote it, so it may use any variable of the environment

	decider *File            // the administrator's file, if it decides keys
	decided []string         // the keys that it decides
	fault   *problem.Problem // why the file cannot be used, if the reason is not in the file
}

// Has reports whether the key is set, in this file or by the administrator.
func (c *File) Has(key string) bool {
	_, ok := c.of(key).at[key]
	return ok
}

// Dir returns the directory to which relative paths in a key's value refer.
func (c *File) Dir(key string) string { return filepath.Dir(c.of(key).Path) }

// FilePath returns the absolute path that a key's value names. It reports a ~ that stands for
// no home directory, and a URL.
func (c *File) FilePath(p store.Places, key, path string) string {
	if scheme, _, ok := strings.Cut(path, ":/"); ok && len(scheme) > 1 && !strings.ContainsAny(scheme, `/\`) { // C:/ is a drive
		c.Add(key, "is a URL, but must be the path of a file")
		return ""
	}
	if p.Homeless(path) {
		c.Add(key, "begins with ~, and there is no home directory: HOME is not set to a whole path; set it, or write the whole path")
	}
	return p.Expand(path, c.Dir(key))
}

// Decided reports whether an administrator decides a key.
func (c *File) Decided(key string) bool { return slices.Contains(c.decided, key) }

// of returns the file from which the value of a key, or a part of it, comes.
func (c *File) of(key string) *File {
	if key, _, _ := strings.Cut(key, "."); c.Decided(key) {
		return c.decider
	}
	return c
}

// Refuse makes the file unusable for a reason that is not a mistake in it.
func (c *File) Refuse(why *problem.Problem) {
	c.Broken, c.fault = true, why
	c.Lines = append(c.Lines, why.Message)
}

// Add reports a mistake in the value of a key.
func (c *File) Add(key, what string) {
	from := c.of(key)
	line := from.Path
	if offset, ok := from.at[key]; ok {
		line += fmt.Sprintf(":%d", lineOf(from.text, offset))
	}
	c.Lines = append(c.Lines, fmt.Sprintf("%s: %s: %s", line, key, what))
}

// fail reports that the text cannot be parsed beyond an offset.
func (c *File) fail(offset int, what string) {
	c.Broken = true
	rest := bytes.TrimLeft(c.plain[min(offset, len(c.plain)):], " \t\r\n,")
	if bytes.LastIndex(c.text, []byte("/*")) > bytes.LastIndex(c.text, []byte("*/")) {
		what += " (is a comment not closed with */?)"
	}
	if len(rest) == 0 && len(c.at) > 0 {
		what = "the file ends before the closing }"
	}
	c.Lines = append(c.Lines, fmt.Sprintf("%s:%d: %s", c.Path, lineOf(c.text, len(c.plain)-len(rest)), what))
}

// Problem returns all mistakes as one problem.
func (c *File) Problem() *problem.Problem {
	if c.fault != nil {
		return c.fault
	}
	return problem.New(problem.Config, strings.Join(c.Lines, "\n"), "Correct the file; it is read again at the next call.")
}

func lineOf(text []byte, offset int) int {
	return 1 + bytes.Count(text[:min(offset, len(text))], []byte("\n"))
}

// Read parses JSON with comments and trailing commas into the fields of *into. It reports
// unknown and repeated keys, and values of the wrong type. own says that the person wrote
// the file.
func Read(path string, text []byte, own bool, into any) *File {
	c := &File{Path: path, text: text, own: own, at: map[string]int{}}
	c.plain = text
	if !utf8.Valid(text) {
		c.fail(0, "the file is not UTF-8 text; save it as UTF-8")
		return c
	}
	fields := Fields(into)
	c.known = fields
	// ToJSON replaces comments by spaces, so offsets stay those of the file.
	plain := jsonc.ToJSON(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	mark := len(text) - len(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	c.plain = append(bytes.Repeat([]byte(" "), mark), plain...)
	d := json.NewDecoder(bytes.NewReader(plain))
	offset := func() int { return mark + int(d.InputOffset()) }

	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		c.fail(0, "expected { and the configuration's keys")
		return c
	}
	for d.More() {
		token, err := d.Token()
		key, isKey := token.(string)
		if err != nil || !isKey {
			c.fail(offset(), "expected a key in quotes; is a comma or a quote missing in the line before?")
			return c
		}
		at := offset()
		var value any
		if err := d.Decode(&value); err != nil {
			var into any
			if field, known := fields[key]; known {
				into = field.Addr().Interface()
			}
			c.fail(at, fmt.Sprintf("the value of %s cannot be read: %s", key, syntax(err, into)))
			return c
		}
		_, repeated := c.at[key]
		c.at[key] = at
		c.setField(fields, key, value, repeated)
	}
	if _, err := d.Token(); err != nil {
		c.fail(offset(), "expected a comma and the next key, or the closing }")
		return c
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		c.fail(offset(), "there is more after the closing }")
	}
	return c
}

func (c *File) setField(fields map[string]reflect.Value, key string, value any, repeated bool) {
	field, known := fields[key]
	switch {
	case !known && repeated:
	case !known:
		names := make([]string, 0, len(fields))
		for name := range fields {
			names = append(names, name)
		}
		slices.Sort(names)
		c.Add(key, "unknown key"+didYouMean(key, names))
	case repeated:
		c.Add(key, "stands twice; remove one")
	default:
		if key != "client_secret" && key != "client_key" { // references to secrets are resolved when they are used
			value = filledIn(value, c.own, func(what string) { c.Add(key, what) })
		}
		if what := setValue(field.Addr().Interface(), value); what != "" {
			c.Add(key, what)
		}
	}
}

// Fields returns the fields of the struct that into points to, by the names in their json
// tags.
func Fields(into any) map[string]reflect.Value {
	v := reflect.ValueOf(into).Elem()
	fields := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = v.Field(i)
	}
	return fields
}

// syntax says why a value that is to be stored in the field that into points to is not JSON.
func syntax(err error, into any) string {
	switch text := err.Error(); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the file ends in the middle of it"
	case strings.Contains(text, "escape"):
		return `a \ in text is written \\, and paths may be written with /`
	case strings.Contains(text, "string literal"):
		return "the text is not closed with a quote on its line"
	default:
		return "it " + kind(into)
	}
}

// didYouMean returns ", did you mean X?" for the candidate nearest to word, or "" if none is
// near. Case, dashes and underscores do not count.
func didYouMean(word string, candidates []string) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
	}
	best, nearest := "", 1+len(word)/3
	for _, candidate := range candidates {
		if distance := levenshtein.ComputeDistance(plain(word), plain(candidate)); distance <= nearest {
			if best == "" || distance < nearest {
				best, nearest = candidate, distance
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}
