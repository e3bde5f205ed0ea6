package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/jsonc"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
)

// openCodeEntries are what init enters into opencode.json.
type openCodeEntries struct {
	plugin string // "" for none
	models []string
}

// into returns the text of OpenCode's configuration with the entries added at the beginning
// of their lists, if they are missing. The rest of the text does not change, including
// comments.
func (e openCodeEntries) into(text []byte) ([]byte, error) {
	if e.plugin == "" && len(e.models) == 0 {
		return text, nil
	}
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{\n  \"$schema\": \"https://opencode.ai/config.json\"\n}\n")
	}
	err := valid(text)
	if err != nil {
		return nil, err
	}
	if list, there := e.pluginList(text); e.plugin != "" && !there {
		if text, err = insert(text, item{"", asJSON(e.plugin)}, list); err != nil {
			return nil, err
		}
	}
	for _, model := range e.models {
		if text, err = insert(text, item{model, fmt.Sprintf(`{ "name": %s }`, asJSON(model))}, "provider", "oci-oidc", "models"); err != nil {
			return nil, err
		}
	}
	return text, valid(text)
}

// valid returns an error that says where a text is not JSON with comments, or nil.
func valid(text []byte) error {
	if plain, err := disk.DecodeText(text); err != nil || !bytes.Equal(plain, text) {
		return errors.New("it must be saved as UTF-8 without a byte order mark")
	}
	var wrong *json.SyntaxError
	if err := json.Unmarshal(jsonc.ToJSON(text), new(any)); errors.As(err, &wrong) {
		return fmt.Errorf("it is not JSON, at or before line %d", 1+bytes.Count(text[:wrong.Offset], []byte("\n")))
	}
	return nil
}

// pluginList returns the key of the list to add the plugin to: the existing one, or else the
// one that both OpenCode 1 and 2 read. there is true if a list has the plugin, in any version.
func (e openCodeEntries) pluginList(text []byte) (key string, there bool) {
	var file struct {
		Plugin  []json.RawMessage `json:"plugin"`
		Plugins []json.RawMessage `json:"plugins"` // which OpenCode 1 does not read
	}
	_ = json.Unmarshal(jsonc.ToJSON(text), &file)
	there = slices.ContainsFunc(slices.Concat(file.Plugin, file.Plugins), func(entry json.RawMessage) bool {
		return bytes.Contains(entry, []byte("opencode-oci-oidc")) || string(entry) == asJSON(e.plugin)
	})
	if file.Plugins != nil && file.Plugin == nil {
		return "plugins", there
	}
	return "plugin", there
}

// An item is an element to add to a list, or a member to add to an object.
type item struct {
	key  string // "" in a list
	text string
}

func asJSON(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// insert adds an item to the list or object at path, which is created if it does not exist. A
// member that is there stays as it is.
func insert(text []byte, it item, path ...string) ([]byte, error) {
	plain := jsonc.ToJSON(text)
	list, depth := it.key == "", len(path)
	at, empty, err := open(plain, list, path)
	for ; errors.Is(err, errNotThere); depth-- {
		at, empty, err = open(plain, false, path[:depth-1])
	}
	if err != nil {
		return nil, err
	}
	if !list && depth == len(path) {
		if _, _, err := open(plain, false, append(slices.Clone(path), it.key)); !errors.Is(err, errNotThere) {
			return text, nil
		}
	}
	entry := it.text
	if !list {
		entry = asJSON(it.key) + ": " + it.text
	}
	// Wrap the entry in the missing parts of the path, from the inside out.
	for i := len(path) - 1; i >= depth; i-- {
		opening, closing := "{ ", " }"
		if i == len(path)-1 && list {
			opening, closing = "[", "]"
		}
		entry = asJSON(path[i]) + ": " + opening + entry + closing
	}
	line := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		line = "\r\n"
	}
	entry = line + strings.Repeat("  ", depth+1) + entry
	if empty {
		entry += line + strings.Repeat("  ", depth)
	} else {
		entry += ","
	}
	return slices.Concat(text[:at], []byte(entry), text[at:]), nil
}

var errNotThere = errors.New("not there")

// open returns the offset after the opening bracket of the object at path, or of the list.
// Of members with the same name it takes the last, as OpenCode does.
func open(plain []byte, list bool, path []string) (at int, empty bool, err error) {
	for depth := 0; ; depth++ {
		d := json.NewDecoder(bytes.NewReader(plain[at:]))
		bracket, kind := json.Delim('{'), "an object"
		if list && depth == len(path) {
			bracket, kind = '[', "a list"
		}
		if token, err := d.Token(); err != nil || token != bracket {
			return 0, false, fmt.Errorf("it must have %s as %s", kind, cmp.Or(strings.Join(path[:depth], "."), "a whole"))
		}
		if depth == len(path) {
			return at + int(d.InputOffset()), !d.More(), nil
		}
		value := 0
		for d.More() {
			var member json.RawMessage
			name, _ := d.Token()
			if err := d.Decode(&member); err != nil {
				return 0, false, err
			}
			if name == path[depth] {
				value = at + int(d.InputOffset()) - len(member)
			}
		}
		if at = value; at == 0 {
			return 0, false, errNotThere
		}
	}
}
