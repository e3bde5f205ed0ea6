package logging

import "strings"

// secretParameters are those of a URL or a form whose value is a secret.
var secretParameters = []string{
	"code", "state", "nonce", "code_verifier", "client_secret", "refresh_token",
	"access_token", "id_token", "device_code", "client_assertion",
}

const redacted = "[redacted]"

// redactShapes returns text with "[redacted]" in the place of whatever has the shape
// of a secret. It is written by hand because every start logs a few lines, and a
// regular expression takes longer to compile than all else that they cost.
func redactShapes(text string) string {
	var clean strings.Builder
	from := 0
	for i := 0; i < len(text); {
		size := secretAt(text, i)
		if size == 0 {
			i++
			continue
		}
		clean.WriteString(text[from:i])
		clean.WriteString(redacted)
		i += size
		from = i
	}
	if from == 0 {
		return text
	}
	clean.WriteString(text[from:])
	return clean.String()
}

// secretAt returns the length of what begins at text[i] and has the shape of a secret,
// or 0: a token or a code as an identity domain makes them, what follows "Bearer" or
// "Basic", or a parameter.
func secretAt(text string, i int) int {
	rest := text[i:]
	switch rest[0] {
	case 'e':
		if size := jsonWebToken(rest); size > 0 {
			return size
		}
	case 'A':
		const opaque = "AQIDBA" // how codes and refresh tokens of OCI begin
		if strings.HasPrefix(rest, opaque) {
			return len(opaque) + span(rest[len(opaque):], "+/%=-")
		}
	case 'B', 'b':
		for _, scheme := range []string{"bearer ", "basic "} {
			if len(rest) < len(scheme) || !strings.EqualFold(rest[:len(scheme)], scheme) {
				continue
			}
			if size := span(rest[len(scheme):], ".~+/=-"); size >= 8 {
				return len(scheme) + size
			}
		}
	}
	if i > 0 && isWord(text[i-1]) {
		return 0
	}
	return parameter(rest)
}

// jsonWebToken returns the length of a JWS or JWE, or of what is left of one.
func jsonWebToken(text string) int {
	header, ok := strings.CutPrefix(text, "eyJ")
	size := span(header, "-")
	if !ok || size < 8 {
		return 0
	}
	size += len("eyJ")
	for range 4 {
		if size == len(text) || text[size] != '.' {
			break
		}
		size += 1 + span(text[size+1:], "-")
	}
	return size
}

// parameter returns the length of name=value, or 0 where the name is no secret's.
func parameter(text string) int {
	for _, name := range secretParameters {
		value, ok := strings.CutPrefix(text, name)
		if !ok || !strings.HasPrefix(value, "=") {
			continue
		}
		end := strings.IndexAny(value, "& \t\n\f\r\"")
		if end < 0 {
			end = len(value)
		}
		if end > len("=") {
			return len(name) + end
		}
	}
	return 0
}

// span counts the characters of a word, or of those in others, that text begins with.
func span(text, others string) int {
	n := 0
	for n < len(text) && (isWord(text[n]) || strings.IndexByte(others, text[n]) >= 0) {
		n++
	}
	return n
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}
