package endpoint

import (
	"encoding/json"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"sync"
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
	var value any
	if json.Unmarshal([]byte(body), &value) == nil {
		if said := line(said(value, 3)); said != "" {
			return said
		}
	}
	if match := description().FindStringSubmatch(header.Get("WWW-Authenticate")); match != nil {
		if said := line(match[1]); said != "" {
			return said
		}
	}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if value == nil && (kind == "text/plain" || kind == "") && !strings.HasPrefix(strings.TrimSpace(body), "<") {
		return line(body)
	}
	return ""
}

var description = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`error_description="([^"]*)"`) })

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
		for _, name := range []string{"message", "msg", "error_description", "detail", "description", "title", "error", "errors"} {
			if text := said(value[name], depth-1); text != "" {
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

// AboutToken reports whether an endpoint that refuses a request means the token, and not
// the model, a budget or a permission: by its challenge (RFC 6750, 3.1), else by its
// words. An endpoint that says nothing means the token.
func AboutToken(header http.Header, body string) bool {
	if strings.Contains(header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		return true
	}
	reason := Reason(header, body)
	return reason == "" || tokenWords().MatchString(reason) && !otherWords().MatchString(reason)
}

var (
	tokenWords = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b(tokens?|jwts?|expired|credentials?|unauthori[sz]ed|unauthenticated|not ?authenticated|authentication|signature|audience|issuer)\b`)
	})
	otherWords = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\b(models?|budget|quota|credits?|deployments?|plan|billing|tokens per)\b`)
	})
)
