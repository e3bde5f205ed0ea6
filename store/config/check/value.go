package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Texts is one text or a list of them.
type Texts []string

// MarshalJSON writes a single one without a list.
func (t Texts) MarshalJSON() ([]byte, error) {
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
	case *Texts:
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
	case *Endpoints:
		return setEndpoints(into, value)
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

// Endpoints are the endpoints beside that of llm_base_url, by their IDs.
type Endpoints map[string]Endpoint

// An Endpoint is one of them, which the file has as its base URL alone or as an object.
type Endpoint struct {
	BaseURL string `json:"base_url"`
	Name    string `json:"name,omitempty"`
}

// setEndpoints puts the value of endpoints into the file's field, or says what is wrong
// with its form.
func setEndpoints(into *Endpoints, value any) (what string) {
	const form = `must be names with a base URL each in { }, such as {"qwen": "https://qwen.example.com/v1"}`
	object, ok := value.(map[string]any)
	if !ok {
		return form
	}
	*into = make(Endpoints, len(object))
	for _, id := range slices.Sorted(maps.Keys(object)) {
		entry := Endpoint{}
		switch value := object[id].(type) {
		case string:
			entry.BaseURL = value
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(value)) {
				text, isText := value[key].(string)
				switch {
				case key == "scope":
					return fmt.Sprintf("has a scope in %s, but all endpoints share the session's token; write it into the key scope beside endpoints", id)
				case key != "base_url" && key != "name":
					return fmt.Sprintf("has an unknown key %s in %s; base_url and name are known", key, id)
				case !isText:
					return fmt.Sprintf("has a %s in %s that must be text in quotes", key, id)
				case key == "base_url":
					entry.BaseURL = text
				default:
					entry.Name = text
				}
			}
		default:
			return form
		}
		(*into)[id] = entry
	}
	return ""
}

// toTexts returns nil for what is neither a text nor a list of texts.
func toTexts(value any) Texts {
	if text, ok := value.(string); ok {
		return Texts{text}
	}
	list, ok := value.([]any)
	if !ok {
		return nil
	}
	all := make(Texts, 0, len(list))
	for _, one := range list {
		text, ok := one.(string)
		if !ok {
			return nil
		}
		all = append(all, text)
	}
	return all
}

// filledIn replaces {env:NAME} in the texts of a value, as OpenCode's own configuration
// has it. own says that the person wrote it; wrong is told what cannot be replaced.
func filledIn(value any, own bool, wrong func(what string)) any {
	switch value := value.(type) {
	case string:
		return fillIn(value, own, wrong)
	case []any:
		for i := range value {
			value[i] = filledIn(value[i], own, wrong)
		}
	case map[string]any:
		for name := range value {
			value[name] = filledIn(value[name], own, wrong)
		}
	}
	return value
}

func fillIn(text string, own bool, wrong func(what string)) string {
	if ShellVariable().MatchString(text) {
		wrong(fmt.Sprintf(`is %s, and nothing replaces a shell's variable here; write "{env:%s}"`, text, strings.Trim(text, "${}%")))
		return text
	}
	before, rest, found := strings.Cut(text, "{env:")
	if !found {
		return text
	}
	name, after, closed := strings.Cut(rest, "}")
	if !closed {
		wrong("has a {env: without its }")
		return text
	}
	if !own && !MayUse(name) {
		wrong(ForeignVariable)
		return text
	}
	value := os.Getenv(name)
	if value == "" {
		wrong(fmt.Sprintf("names the environment variable %s, which is not set here", name))
	}
	return before + value + fillIn(after, own, wrong)
}

// ShellVariable is $NAME, ${NAME} or, as Windows has it, %NAME%.
var ShellVariable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(\$\w+|\$\{\w+\}|%\w+%)$`) })

// MayUse reports whether a project's configuration may use an environment variable:
// one that begins with OCI_, but for those in which Oracle's CLI and SDKs have secrets
// of their own.
func MayUse(variable string) bool {
	return strings.HasPrefix(variable, "OCI_") && !strings.HasPrefix(variable, "OCI_CLI_") && !strings.HasPrefix(variable, "OCI_RESOURCE_PRINCIPAL_")
}

// ForeignVariable is what is wrong with another one.
const ForeignVariable = "names a variable of the environment that does not begin with OCI_, or belongs to Oracle's own tools" +
	"; a project's configuration may use no other"
