package secret

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Mistaken says why a text is something else than a client secret, or "". A client
// secret is visible ASCII (RFC 6749, A.2); other letters are let through, because a domain
// may take them. The rest of these would be sent to it, and be refused as a wrong secret:
// the shapes that shells, editors and web pages leave around a secret.
func Mistaken(text string) string {
	quoted := len(text) > 2 && text[0] == text[len(text)-1] && strings.ContainsRune("\"'`", rune(text[0]))
	switch {
	case strings.Contains(text, "-----BEGIN "):
		return "is a key or a certificate, not a client secret"
	case strings.ContainsAny(text, "\r\n"):
		return "has more than one line"
	case strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }):
		return "has characters that cannot be seen"
	case quoted:
		return "has quotes around it, which would be sent as well"
	case strings.HasPrefix(text, "{") && json.Valid([]byte(text)):
		return "is an object of JSON, not a client secret"
	case assignment().MatchString(text):
		return "has a name before the secret"
	}
	return ""
}

// assignment is how a secret stands in a file of variables.
var assignment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^((export|set)\s+\w+|\w*secret\w*)\s*[=:]`) })
