package config

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
)

// texts is one text or a list of them.
type texts []string

// MarshalJSON writes a single one without a list.
func (t texts) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// setValue puts a value of the file into the field that into points to, or says
// what is wrong with it.
func setValue(into, value any) (what string) {
	switch into := into.(type) {
	case *string:
		text, ok := value.(string)
		if !ok {
			return "must be text in quotes"
		}
		*into = text
	case *texts:
		if *into = toTexts(value); *into == nil {
			return "must be text in quotes, or a list of them in [ ]"
		}
	case *bool:
		flag, ok := value.(bool)
		if !ok {
			return "must be true or false, without quotes"
		}
		*into = flag
	case **int:
		number, ok := value.(float64)
		if !ok || number < 0 || number != math.Trunc(number) || number > math.MaxInt32 {
			return "must be a whole number, 0 or more, without quotes"
		}
		whole := int(number)
		*into = &whole
	case *map[string]string:
		object, ok := value.(map[string]any)
		*into = make(map[string]string, len(object))
		for name, one := range object {
			text, isText := one.(string)
			ok = ok && isText
			(*into)[name] = text
		}
		if !ok {
			return `must be names and texts in { }, such as {"ui_locales": "de"}`
		}
	}
	return ""
}

// toTexts returns nil for what is neither a text nor a list of texts.
func toTexts(value any) texts {
	if text, ok := value.(string); ok {
		return texts{text}
	}
	list, ok := value.([]any)
	if !ok {
		return nil
	}
	all := make(texts, 0, len(list))
	for _, one := range list {
		text, ok := one.(string)
		if !ok {
			return nil
		}
		all = append(all, text)
	}
	return all
}

// filledIn replaces {env:NAME} in the texts of a value, as OpenCode's own
// configuration has it. A secret's reference stays: it is read when it is used.
func (c *configCheck) filledIn(key string, value any) any {
	switch value := value.(type) {
	case string:
		if key == "client_secret" || key == "client_key" {
			return value
		}
		return c.fillIn(key, value)
	case []any:
		for i := range value {
			value[i] = c.filledIn(key, value[i])
		}
	case map[string]any:
		for name := range value {
			value[name] = c.filledIn(key, value[name])
		}
	}
	return value
}

func (c *configCheck) fillIn(key, text string) string {
	if shellVariable().MatchString(text) {
		c.add(key, fmt.Sprintf(`is %s, and nothing replaces a shell's variable here; write "{env:%s}"`, text, strings.Trim(text, "${}%")))
		return text
	}
	before, rest, found := strings.Cut(text, "{env:")
	if !found {
		return text
	}
	name, after, closed := strings.Cut(rest, "}")
	if !closed {
		c.add(key, "has a {env: without its }")
		return text
	}
	if !c.own && !mayUse(name) {
		c.add(key, foreignVariable)
		return text
	}
	value := os.Getenv(name)
	if value == "" {
		c.add(key, fmt.Sprintf("names the environment variable %s, which is not set here", name))
	}
	return before + value + c.fillIn(key, after)
}
