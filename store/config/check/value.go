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

	"github.com/tidwall/jsonc"
)

// Texts is one text or a list of texts.
type Texts []string

// MarshalJSON writes a single text as a string, and several as a list.
func (t Texts) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// kind says what the value must be that is stored in the field that into points to.
func kind(into any) string {
	switch into.(type) {
	case *Texts:
		return "must be text in quotes, or a list of them in [ ]"
	case *bool:
		return "must be true or false, without quotes"
	case **int:
		return fmt.Sprintf("must be a whole number from 0 to %d, without quotes", math.MaxInt32)
	case *Endpoints:
		return `must be names with a base URL each in { }, such as {"qwen": "https://qwen.example.com/v1"}`
	case *map[string]string:
		return `must be names and texts in { }, such as {"ui_locales": "de"}`
	default:
		return "must be text in quotes"
	}
}

// setValue stores a value of the file in the field that into points to, or returns what is
// wrong with it.
func setValue(into, value any) (what string) {
	switch into := into.(type) {
	case *string:
		text, ok := value.(string)
		if !ok {
			return kind(into)
		}
		*into = text
	case *Texts:
		if *into = toTexts(value); *into == nil {
			return kind(into)
		}
	case *bool:
		flag, ok := value.(bool)
		if !ok {
			return kind(into)
		}
		*into = flag
	case **int:
		number, ok := value.(float64)
		if !ok || number < 0 || number != math.Trunc(number) || number > math.MaxInt32 {
			return kind(into)
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
			return kind(into)
		}
	}
	return ""
}

// Endpoints is the value of the key endpoints, by ID.
type Endpoints map[string]Endpoint

// An Endpoint is a base URL in the file, or an object with base_url and name.
type Endpoint struct {
	BaseURL string `json:"base_url"`
	Name    string `json:"name,omitempty"`
	Scope   string `json:"scope,omitempty"`
}

// setEndpoints stores the value of the key endpoints, or returns what is wrong with it.
func setEndpoints(into *Endpoints, value any) (what string) {
	object, ok := value.(map[string]any)
	if !ok {
		return kind(into)
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
				case !slices.Contains([]string{"base_url", "name", "scope"}, key):
					return fmt.Sprintf("has an unknown key %s in %s; base_url, name and scope are known", key, id)
				case !isText:
					return fmt.Sprintf("has a %s in %s that must be text in quotes", key, id)
				case key == "base_url":
					entry.BaseURL = text
				case key == "name":
					entry.Name = text
				case strings.TrimSpace(text) == "":
					return fmt.Sprintf("has an empty scope in %s; leave it out to use the key scope", id)
				default:
					entry.Scope = text
				}
			}
		default:
			return kind(into)
		}
		(*into)[id] = entry
	}
	return ""
}

// toTexts returns nil for a value that is neither a text nor a list of texts.
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

// filledIn replaces {env:NAME} in the texts of a value, as OpenCode does in its own
// configuration. own says that the person wrote it. wrong is called for what cannot be
// replaced.
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
		name := strings.Trim(text, "${}%")
		wrong(fmt.Sprintf(`is %s, and nothing replaces a shell's variable here; write "{env:%s}"`, text, name[strings.Index(name, ":")+1:]))
		return text
	}
	return references().ReplaceAllStringFunc(text, func(written string) string {
		name, isEnv := Reference(written, "env")
		value := os.Getenv(name)
		switch {
		case strings.HasPrefix(strings.ToLower(strings.TrimLeft(written, "${ \t\r\n\f")), "file"):
			wrong(`has a {file:…}, which works in client_secret and client_key alone; write the value itself, or "{env:NAME}"`)
		case !isEnv || name == "":
			wrong(`has a reference that is not exactly of the form "{env:NAME}"; write {env: in small letters and without spaces, with no $ or { before it`)
		case !own && !MayUse(name):
			wrong(ForeignVariable)
		case value == "":
			wrong(fmt.Sprintf("names the environment variable %s, which is not set here", name))
			return ""
		default:
			return value
		}
		return written
	})
}

// references matches each reference in a text, also one that is misspelt, with the $ or {
// before it.
var references = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)[${]?\{\s*(?:env|file)\s*:[^{}]*\}?`)
})

// HasReference reports whether the text contains a reference, also one that is misspelt.
func HasReference(text string) bool { return references().MatchString(text) }

// Reference parses a value of the form {kind:what}.
func Reference(value, kind string) (what string, ok bool) {
	rest, begins := strings.CutPrefix(value, "{"+kind+":")
	what, ends := strings.CutSuffix(rest, "}")
	return strings.TrimSpace(what), begins && ends
}

// ShellVariable matches $NAME, ${NAME}, PowerShell's $env:NAME and ${env:NAME}, and the
// Windows form %NAME%.
var ShellVariable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(\$(env:)?\w+|\$\{(env:)?\w+\}|%\w+%)$`)
})

// MayUse reports whether a project's configuration may use an environment variable: one that
// begins with OCI_, except those in which Oracle's own CLI and SDKs keep secrets.
func MayUse(variable string) bool {
	return strings.HasPrefix(variable, "OCI_") && !strings.HasPrefix(variable, "OCI_CLI_") && !strings.HasPrefix(variable, "OCI_RESOURCE_PRINCIPAL_")
}

// ForeignVariable is the message about a variable that a project's configuration may not use.
const ForeignVariable = "names a variable of the environment that does not begin with OCI_, or belongs to Oracle's own tools" +
	"; a project's configuration may use no other"

// Values are what the text of a configuration sets, each as text: a list with spaces between its parts.
func Values(text []byte) map[string]string {
	values, raw := map[string]string{}, map[string]json.RawMessage{}
	_ = json.Unmarshal(jsonc.ToJSON(text), &raw)
	for key, value := range raw {
		var one string
		var list []string
		switch {
		case json.Unmarshal(value, &one) == nil:
			values[key] = one
		case json.Unmarshal(value, &list) == nil:
			values[key] = strings.Join(list, " ")
		default:
			values[key] = string(value)
		}
	}
	return values
}
