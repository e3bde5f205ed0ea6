package endpoint

import (
	"cmp"
	"encoding/json"
	"html"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxReason is the longest text that is quoted from an endpoint, in characters.
const maxReason = 200

// Reason returns the human-readable text of an error response in one line, or "". It knows
// the formats of OpenAI ({"error": {"message": …}}), vLLM and SGLang ({"error": "…"}),
// FastAPI ({"detail": "…"} or a list), OAuth ({"error_description": …}), the Bearer challenge
// (RFC 6750, 3), the XML of AWS, Azure and SOAP, and the plain text of Envoy and Istio, whatever
// type it claims. The body may be cut off. For HTML Reason returns "".
func Reason(header http.Header, body string) string {
	body = strings.TrimPrefix(body, "\ufeff")
	if first, rest, _ := strings.Cut(body, "\n"); strings.HasPrefix(first, "event:") && strings.HasPrefix(rest, "data:") {
		body = rest
	}
	body = strings.TrimSpace(strings.TrimPrefix(body, "data:")) // of an event of a stream (SSE)
	isJSON := body != "" && strings.IndexByte(`{["`, body[0]) >= 0
	texts := []string{challenge(header, "error_description")}
	if isJSON {
		var value any
		if json.NewDecoder(strings.NewReader(body)).Decode(&value) != nil {
			var cut []any
			for _, found := range inCutJSON().FindAllStringSubmatch(body, -1) {
				if json.Unmarshal([]byte(`"`+found[1]+`"`), &value) != nil {
					value = found[1]
				}
				cut = append(cut, value)
			}
			value = cut
		}
		texts = append([]string{said(value, 5)}, texts...)
	}
	if said := line(best(texts)); said != "" {
		return said
	}
	if found := inXML().FindStringSubmatch(body); found != nil {
		return line(html.UnescapeString(found[1]))
	}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if !json.Valid([]byte(body)) && !isJSON && kind != "text/html" && !strings.HasPrefix(body, "<") && (kind == "text/plain" || utf8.ValidString(body)) {
		return line(body)
	}
	return ""
}

// challenge returns a parameter of the WWW-Authenticate challenges (RFC 9110, 11.6.1), or "".
// There may be several header fields, and values may be quoted or not, also with ', which is
// against the standard.
func challenge(header http.Header, parameter string) string {
	all := strings.Join(header.Values("WWW-Authenticate"), ", ")
	for _, match := range parameters().FindAllStringSubmatch(all, -1) {
		if strings.EqualFold(match[1], parameter) {
			return escapedPair().ReplaceAllString(match[2], "$1") + match[3] + match[4]
		}
	}
	return ""
}

// InvalidToken reports whether a response has a challenge with error="invalid_token" (RFC
// 6750, 3.1).
func InvalidToken(header http.Header) bool {
	return strings.EqualFold(challenge(header, "error"), "invalid_token")
}

// ScopeTooSmall reports whether a response has a challenge with error="insufficient_scope"
// (RFC 6750, 3.1), and the scope that it asks for, if it does.
func ScopeTooSmall(header http.Header) (scope string, ok bool) {
	return line(challenge(header, "scope")), strings.EqualFold(challenge(header, "error"), "insufficient_scope")
}

var (
	parameters = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([\w.~+/-]+))`)
	})
	inXML = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?is)^\s*<(?:\?xml|Error|\w+:Envelope|fault|am:fault|response)\b.*?<(?:\w+:)?(?:message|faultstring|description|text|error_description)\b[^>]*>(?:<!\[CDATA\[)?([^<]+?)(?:\]\]>)?<`)
	})
	inCutJSON = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`"(?:message|msg|error_description|detail|error|reason)"\s*:\s*"((?:[^"\\]|\\.)+)`)
	})
	namesSecret = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)token|secret|jwt|assertion|passw|key`) })
	escapedPair = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\\(.)`) })
)

// wordsForPeople are the names of JSON members with a human-readable text, in lower case and
// without "_", the best first. The last ones are those of Okta, Apigee, APISIX, Java
// frameworks and others.
var wordsForPeople = []string{
	"message", "msg", "errordescription", "faultstring", "detail", "description", "title", "error", "errors", "errorsummary",
	"errormessage", "errormessages", "errormsg", "errmsg", "details", "fault", "reason", "hint", "response", "data", "result", "code",
}

// said returns the best human-readable text in a JSON value, or "". An object may also have
// a single member of any name, as in Kong's {"exp": "token expired"}, but a single word in
// {"accessToken": "…"} is a token.
func said(value any, depth int) string {
	if depth < 0 {
		return ""
	}
	var texts []string
	switch value := value.(type) {
	case string:
		var inner map[string]any
		_ = json.Unmarshal([]byte(value), &inner) // an error of a server behind, as it was
		return cmp.Or(said(inner, depth-1), strings.TrimSpace(value))
	case []any:
		for _, one := range value {
			texts = append(texts, said(one, depth-1))
		}
	case map[string]any:
		byName := make(map[string]any, len(value))
		for name, one := range value {
			byName[strings.ReplaceAll(strings.ToLower(name), "_", "")] = one
		}
		for _, name := range wordsForPeople {
			texts = append(texts, said(byName[name], depth-1))
		}
		if len(value) == 1 {
			for name, one := range value {
				if text := said(one, depth-1); !namesSecret().MatchString(name) || strings.Contains(text, " ") {
					texts = append(texts, text)
				}
			}
		}
	}
	return best(texts)
}

// best returns the first text that says more than a code or words of refusal do, else the
// first of those, or "". A code that names the token stays in front.
func best(texts []string) string {
	code := ""
	for _, text := range texts {
		if expressions().refusalOnly.MatchString(text) {
			code = cmp.Or(code, text)
			continue
		}
		if expressions().tokenWords.MatchString(asWords(code)) {
			return code + ": " + text
		}
		return text
	}
	return code
}

// line returns text in one line of visible characters, shortened to maxReason.
func line(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }), " ")
	if runes := []rune(text); len(runes) > maxReason {
		return string(runes[:maxReason]) + "…"
	}
	return text
}

// Visible returns a text with a space in place of control characters and of characters that
// change the direction of text, plain or escaped as in JSON. Tabs and line breaks stay.
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

// A Meaning is the cause of a response with status 401 or 403.
type Meaning int

// The meanings.
const (
	Unclear      Meaning = iota // the token or something else
	TokenRefused                // the token: requests will fail until it is replaced
	OtherRefused                // the model, a budget or a permission: another token would not help
)

// JustServed is how long after a successful request a 401 or 403 without a reason is not
// blamed on the token.
const JustServed = time.Minute

// Means guesses the cause of a response with status 401 or 403 from its challenge (RFC 6750,
// 3.1), from its text, and from served: whether another request of the session succeeded
// within [JustServed]. If the response gives no reason, or only "unauthorized", the cause is
// the token, unless served is true. A 403 is about the token only if it says so.
func Means(status int, header http.Header, body string, served bool) Meaning {
	if InvalidToken(header) {
		return TokenRefused
	}
	reason := asWords(Reason(header, body))
	other := expressions().otherWords.MatchString(reason)
	switch {
	case status == http.StatusForbidden:
		if !other && expressions().endedToken.MatchString(reason) {
			return TokenRefused
		}
		return OtherRefused
	case !other && expressions().tokenWords.MatchString(reason):
		return TokenRefused
	case reason == "" || !other && expressions().refusalWords.MatchString(reason):
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

// asWords separates the words of identifiers such as invalid_token and ExpiredToken.
func asWords(text string) string {
	return expressions().humps.ReplaceAllString(strings.ReplaceAll(text, "_", " "), "$1 $2")
}

// expressions returns those by which Means and best judge the words of an answer. They are
// compiled together, when the first is needed.
var expressions = sync.OnceValue(func() (w struct{ humps, tokenWords, endedToken, refusalWords, refusalOnly, otherWords *regexp.Regexp }) {
	w.humps = regexp.MustCompile(`([a-z])([A-Z])`)
	w.tokenWords = regexp.MustCompile(`(?i)\b(tokens?|jwts?|expired|credentials?|signature|audience|issuer)\b`)
	w.endedToken = regexp.MustCompile(`(?i)\b(tokens?|jwts?)\b.*\b(expired|revoked)\b|\b(expired|revoked)\b.*\b(tokens?|jwts?)\b`)
	w.refusalWords = regexp.MustCompile(`(?i)\b(unauthori[sz]ed|unauthenticated|not ?authenticated|authentication)\b`)
	w.refusalOnly = regexp.MustCompile(`(?i)^(?:\S*|(?:\W|\d|unauthori[sz]ed|unauthenticated|not|authori[sz](?:ed|ation)|authenticat(?:ed|ion)|forbidden|access|permission|denied|bad|request|error|failed|failure|required)*)$`)
	w.otherWords = regexp.MustCompile(`(?i)(\b(models?|quota|credits?|deployments?|plan|billing|limits?|subscription|tokens per)\b|budget)`)
	return w
})
