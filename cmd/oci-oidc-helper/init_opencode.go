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

// into returns the text of OpenCode's configuration with the entries in it, or the
// same text if they are there. What a person wrote stays as it is, comments
// included: the entries are put in at the beginning of their lists.
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
	if e.plugin != "" && !namesPlugin(text) {
		if text, err = insert(text, listItem(e.plugin), pluginList(text)); err != nil {
			return nil, err
		}
	}
	for _, model := range e.models {
		if text, err = insert(text, member(model, fmt.Sprintf(`{ "name": %s }`, asJSON(model))), "provider", "oci-oidc", "models"); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// pluginLists are the lists of plugins that OpenCode reads: 1 the first one, 2 both.
type pluginLists struct {
	Plugin  []json.RawMessage `json:"plugin"`
	Plugins []json.RawMessage `json:"plugins"`
}

// namesPlugin reports whether the plugin is there, in whatever version.
func namesPlugin(text []byte) bool {
	var file pluginLists
	_ = json.Unmarshal(jsonc.ToJSON(text), &file)
	return slices.ContainsFunc(slices.Concat(file.Plugin, file.Plugins), func(entry json.RawMessage) bool {
		return bytes.Contains(entry, []byte("opencode-oci-oidc"))
	})
}

// pluginList is the key of the list to enter a plugin in: the one that is there. Where
// there is none it is the one that OpenCode 1 and 2 both read.
func pluginList(text []byte) string {
	var file pluginLists
	_ = json.Unmarshal(jsonc.ToJSON(text), &file)
	if file.Plugins != nil && file.Plugin == nil {
		return "plugins"
	}
	return "plugin"
}

// An item is one thing to put into a list or an object.
type item struct {
	key  string // "" in a list
	text string
}

func listItem(value string) item    { return item{text: asJSON(value)} }
func member(key, value string) item { return item{key, value} }

func asJSON(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}

// insert puts an item into the container at path, which is made where it is not.
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
	if depth == len(path) && holds(plain, path, it) {
		return text, nil
	}
	entry := it.text
	if it.key != "" {
		entry = asJSON(it.key) + ": " + it.text
	}
	// What is missing on the way, from the inside out.
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

// open returns the offset behind the opening bracket of the container at path.
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

// enter reads on to behind the opening bracket of the named value.
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

// holds reports whether the container at path has the item.
func holds(plain []byte, path []string, it item) bool {
	for _, name := range path {
		var object map[string]json.RawMessage
		if json.Unmarshal(plain, &object) != nil {
			return false
		}
		plain = object[name]
	}
	if it.key == "" {
		var list []json.RawMessage
		_ = json.Unmarshal(plain, &list)
		for _, one := range list {
			if string(one) == it.text {
				return true
			}
		}
		return false
	}
	var object map[string]json.RawMessage
	_ = json.Unmarshal(plain, &object)
	_, found := object[it.key]
	return found
}
