package secret

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// MaxSize is the size at which a text is no client secret, in bytes.
const MaxSize = 64 << 10

// Mistaken returns why a text cannot be a client secret, or "". It recognises what shells,
// editors and web pages add to a copied secret, such as quotes, which the domain would only
// refuse as a wrong secret. A client secret is visible ASCII (RFC 6749, A.2), but Mistaken
// accepts other letters, because a domain may.
func Mistaken(text string) string {
	quoted := len(text) > 2 && text[0] == text[len(text)-1] && strings.ContainsRune("\"'`", rune(text[0]))
	switch {
	case len(text) >= MaxSize:
		return "is too long for a client secret"
	case strings.Contains(text, "-----BEGIN "):
		return "is a key or a certificate, not a client secret"
	case strings.ContainsAny(text, "\r\n"):
		return "has more than one line"
	case strings.ContainsRune(text, utf8.RuneError):
		return "has characters that are not UTF-8, as of a file in another encoding"
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
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

// assignment matches a line of a file of variables, copied with the secret.
var assignment = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^((export|set)\s+\w+|\w*secret\w*)\s*[=:]`) })
