package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/secrets"
)

// Format returns a configuration with these values and a comment on every key. Keys without
// a value are commented out, with their default or example.
func Format(values map[string]string) []byte {
	var text bytes.Buffer
	text.WriteString("// The configuration of opencode-oci-oidc.\n{\n")
	fmt.Fprintf(&text, "  \"$schema\": %s,\n", quoted(SchemaURL))
	for _, key := range Keys {
		if key.Name == "$schema" {
			continue
		}
		text.WriteString("\n" + wrapped(key.About, "  // ", 96))
		if value := values[key.Name]; value != "" {
			fmt.Fprintf(&text, "  %s: %s,\n", quoted(key.Name), quoted(key.value(value)))
			continue
		}
		shown := key.Default
		if shown == "" {
			shown = key.Example
		}
		fmt.Fprintf(&text, "  // %s: %s,\n", quoted(key.Name), quoted(key.value(shown)))
	}
	text.WriteString("}\n")
	return text.Bytes()
}

func quoted(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
	return strings.TrimSpace(out.String())
}

// wrapped breaks text into lines of at most width characters that begin with prefix.
func wrapped(text, prefix string, width int) string {
	var out strings.Builder
	line := prefix
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > width {
			out.WriteString(strings.TrimRight(line, " ") + "\n")
			line = prefix
		}
		line += word + " "
	}
	return out.String() + strings.TrimRight(line, " ") + "\n"
}

// Parse parses and checks the text of a configuration for path. Its errors are those of
// [Load].
func Parse(p store.Places, path string, text []byte) (Config, error) {
	return parseConfig(p, path, text)
}

// CheckValue checks the value of one key. Its error is a problem of kind Config.
func CheckValue(p store.Places, key, value string) error {
	check := &check.File{}
	switch key {
	case "domain_url":
		check.OriginURL(key, value)
	case "llm_base_url":
		check.BaseURL(key, value)
	case "redirect_uri":
		values := strings.Fields(value)
		if strings.Contains(value, "@") {
			values = []string{value} // as a whole it is not quoted in the error; a part with a password might be
		}
		check.RedirectURIs(values)
	case "scope":
		check.Scope(value, false)
	case "auth_method":
		authMethod(check, value)
	case "token_store":
		check.OneOf(key, value, tokenStores)
	case "sign_in":
		check.OneOf(key, value, signIns)
	case "client_secret", "client_key":
		secrets.Parse(p, check, key, value)
	default:
		check.Required(key, value)
	}
	if len(check.Lines) == 0 {
		return nil
	}
	return problem.New(problem.Config, strings.TrimPrefix(check.Lines[0], ": ")+".", "Write another one.")
}
