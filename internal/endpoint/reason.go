package endpoint

import (
	"encoding/json"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
)

// maxReason bounds what is quoted of an endpoint, in characters.
const maxReason = 200

// Reason returns what an endpoint's error answer says to people, in one line, or "". It
// reads the forms of OpenAI ({"error": {"message": …}}), vLLM and SGLang ({"error": "…"}),
// FastAPI ({"detail": "…"} or a list), OAuth ({"error_description": …}), a Bearer
// challenge (RFC 6750, 3), and the plain text of Envoy and Istio. A page in HTML says
// nothing to people.
func Reason(header http.Header, body string) string {
	body = strings.TrimPrefix(strings.TrimPrefix(body, "\ufeff"), "data: ") // an event of a stream (SSE)
	var value any
	if json.Unmarshal([]byte(body), &value) == nil {
		if said := line(said(value, 3)); said != "" {
			return said
		}
	}
	if said := line(challenge(header, "error_description")); said != "" {
		return said
	}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if value == nil && (kind == "text/plain" || kind == "") && !strings.HasPrefix(strings.TrimSpace(body), "<") {
		return line(body)
	}
	return ""
}

// challenge returns a parameter of the challenges of an answer (RFC 9110, 11.6.1), or "". A
// server may write several headers, and quote a value or not.
func challenge(header http.Header, parameter string) string {
	all := strings.Join(header.Values("WWW-Authenticate"), ", ")
	for _, match := range parameters().FindAllStringSubmatch(all, -1) {
		if strings.EqualFold(match[1], parameter) {
			return escapedPair().ReplaceAllString(match[2], "$1") + match[3]
		}
	}
	return ""
}

// InvalidToken reports whether an answer says of its token that no request will be
// answered with it (RFC 6750, 3.1).
func InvalidToken(header http.Header) bool {
	return strings.EqualFold(challenge(header, "error"), "invalid_token")
}

var (
	parameters = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([\w.~+/-]+))`)
	})
	escapedPair = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\(.)`) })
)

// wordsForPeople are the members in which servers have them, best first, in small letters.
// The last are those of Okta, Apigee and Java's frameworks.
var wordsForPeople = []string{
	"message", "msg", "error_description", "detail", "description", "title", "error", "errors",
	"errorsummary", "errormessage", "errormessages", "fault", "faultstring", "reason",
}

// said returns the first text in a value that is meant for people.
func said(value any, depth int) string {
	if depth < 0 {
		return ""
	}
	switch value := value.(type) {
	case string:
		return value
	case []any:
		for _, one := range value {
			if text := said(one, depth-1); text != "" {
				return text
			}
		}
	case map[string]any:
		byName := make(map[string]any, len(value))
		for name, one := range value {
			byName[strings.ToLower(name)] = one
		}
		for _, name := range wordsForPeople {
			if text := said(byName[name], depth-1); text != "" {
				return text
			}
		}
	}
	return ""
}

// line is text in one line of visible characters, cut where it is long.
func line(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }), " ")
	if runes := []rune(text); len(runes) > maxReason {
		return string(runes[:maxReason]) + "…"
	}
	return text
}

// Visible returns a text without what moves a terminal or turns a line around, as it is or as
// JSON writes it.
func Visible(text string) string {
	return escaped().ReplaceAllStringFunc(controls().ReplaceAllString(text, " "), func(found string) string {
		if found == `\\` {
			return found
		}
		return " "
	})
}

var (
	controls = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}]`)
	})
	escaped = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\\(?:\\|u00(?:0[0-8bcef]|1[\da-f]|7f|[89][\da-f])|u200[b-f]|u20(?:2[a-e]|6[0-9])|ufeff)`)
	})
)

// A Meaning is what an endpoint refuses when it refuses a request.
type Meaning int

const (
	Unclear      Meaning = iota // the token, or something else
	TokenRefused                // the token: no request will be answered with it
	OtherRefused                // the model, a budget or a permission: another token changes nothing
)

// JustServed is how long after a request that was answered a refusal without a reason is
// not put down to the token.
const JustServed = time.Minute

// Means weighs what a refusal is about: by its challenge (RFC 6750, 3.1), by its words, and
// by whether other requests of the session were answered within [JustServed]. An endpoint
// that says nothing, or no more than "unauthorized", means the token unless they were.
func Means(header http.Header, body string, served bool) Meaning {
	if InvalidToken(header) {
		return TokenRefused
	}
	reason := Reason(header, body)
	other := otherWords().MatchString(reason)
	switch {
	case !other && tokenWords().MatchString(reason):
		return TokenRefused
	case reason == "" || !other && refusalWords().MatchString(reason):
		if served {
			return Unclear
		}
		return TokenRefused
	case served:
		return OtherRefused
	default:
		return Unclear
	}
}

var (
	tokenWords = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b(tokens?|jwts?|expired|credentials?|signature|audience|issuer)\b`)
	})
	refusalWords = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b(unauthori[sz]ed|unauthenticated|not ?authenticated|authentication)\b`)
	})
	otherWords = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)(\b(models?|quota|credits?|deployments?|plan|billing|limits?|subscription|tokens per)\b|budget)`)
	})
)
