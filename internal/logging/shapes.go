package logging

import "strings"

// secretParameters are the parameters of URLs and forms whose values are secrets.
var secretParameters = []string{
	"code", "state", "nonce", "code_verifier", "client_secret", "refresh_token",
	"access_token", "id_token", "device_code", "client_assertion",
}

const redacted = "[redacted]"

// redactShapes returns text with "[redacted]" in place of everything that looks like a secret.
// It does not use a regular expression, because compiling one takes longer than the rest of
// logging at each start of the program.
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

// secretAt returns the length of the secret that begins at text[i], or 0 if there is none. It
// recognises JWTs, codes and refresh tokens of OCI, credentials after "Bearer" or "Basic", and
// secret parameters.
func secretAt(text string, i int) int {
	rest := text[i:]
	switch rest[0] {
	case 'e':
		if size := jsonWebToken(rest); size > 0 {
			return size
		}
	case 'A':
		const opaque = "AQIDBA" // the beginning of OCI's codes and refresh tokens
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

// jsonWebToken returns the length of a JWS or JWE at the beginning of text, even if it is cut
// off, or 0.
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

// parameter returns the length of name=value at the beginning of text, or 0 if name is not a
// secret parameter.
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

// span returns how many bytes at the beginning of text are letters, digits, underscores or in
// others.
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
