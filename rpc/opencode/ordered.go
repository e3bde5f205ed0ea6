package opencode

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// An ordered is a JSON object whose members keep their order, which matters in OpenCode's
// permissions. The values are not decoded.
type ordered []member

type member struct {
	key   string
	value json.RawMessage
}

func (o *ordered) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return errors.New("not an object")
	}
	*o = ordered{}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		o.set(key.(string), value)
	}
	return nil
}

func (o ordered) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		key, err := json.Marshal(m.key)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, key...), ':'), m.value...)
	}
	return append(b, '}'), nil
}

func (o ordered) get(key string) json.RawMessage {
	for _, m := range o {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// set changes the value of a member in its place, or adds the member at the end.
func (o *ordered) set(key string, value json.RawMessage) {
	for i, m := range *o {
		if m.key == key {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{key, value})
}

// setLast sets a member and moves it to the end.
func (o *ordered) setLast(key string, value json.RawMessage) {
	*o = slices.DeleteFunc(*o, func(m member) bool { return m.key == key })
	*o = append(*o, member{key, value})
}

// merged returns the recursive union of two objects. Where both have a value, that of own
// is taken.
func merged(defaults, own json.RawMessage) json.RawMessage {
	var result, over ordered
	if json.Unmarshal(defaults, &result) != nil || json.Unmarshal(own, &over) != nil {
		return own
	}
	for _, m := range over {
		if before := result.get(m.key); before != nil {
			m.value = merged(before, m.value)
		}
		result.set(m.key, m.value)
	}
	return encode(result)
}

// encode returns the JSON of a value that cannot fail to have one.
func encode(v any) json.RawMessage {
	text, _ := json.Marshal(v)
	return text
}
