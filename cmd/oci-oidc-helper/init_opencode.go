package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tidwall/jsonc"
)

// openCodeEntries are what init enters into opencode.json.
type openCodeEntries struct {
	plugin string // "" for none
	models []string
}

var errNotAnObject = errors.New("not a JSON object")

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
	if !json.Valid(jsonc.ToJSON(text)) {
		return nil, errNotAnObject
	}
	var err error
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
	return text, nil
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
	at, empty, err := open(plain, nil)
	if err != nil {
		return nil, err
	}
	depth := 0
	for depth < len(path) {
		next, nextEmpty, err := open(plain, path[:depth+1])
		if errors.Is(err, errNotThere) {
			break
		}
		if err != nil {
			return nil, err
		}
		at, empty = next, nextEmpty
		depth++
	}
	if it.key != "" {
		if _, _, err := open(plain, append(slices.Clone(path), it.key)); !errors.Is(err, errNotThere) {
			return text, nil
		}
	}
	entry := it.text
	if it.key != "" {
		entry = asJSON(it.key) + ": " + it.text
	}
	// Wrap the entry in the missing parts of the path, from the inside out.
	for i := len(path) - 1; i >= depth; i-- {
		opening, closing := "{ ", " }"
		if i == len(path)-1 && it.key == "" {
			opening, closing = "[", "]"
		}
		entry = asJSON(path[i]) + ": " + opening + entry + closing
	}
	indent := "\n" + string(bytes.Repeat([]byte("  "), depth+1))
	entry = indent + entry
	if empty {
		entry += "\n" + string(bytes.Repeat([]byte("  "), depth))
	} else {
		entry += ","
	}
	return bytes.Join([][]byte{text[:at], []byte(entry), text[at:]}, nil), nil
}

var errNotThere = errors.New("not there")

// open returns the offset after the opening bracket of the list or object at path.
func open(plain []byte, path []string) (at int, empty bool, err error) {
	d := json.NewDecoder(bytes.NewReader(plain))
	token, err := d.Token()
	if err != nil || token != json.Delim('{') {
		return 0, false, errNotAnObject
	}
	for _, name := range path {
		if err := enter(d, name); err != nil {
			return 0, false, err
		}
	}
	return int(d.InputOffset()), !d.More(), nil
}

// enter reads up to and including the opening bracket of the named value.
func enter(d *json.Decoder, name string) error {
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if key == name {
			token, err := d.Token()
			if err == nil && token != json.Delim('{') && token != json.Delim('[') {
				err = errNotAnObject
			}
			return err
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return err
		}
	}
	return errNotThere
}
