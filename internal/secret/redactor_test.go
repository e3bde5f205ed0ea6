package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A token as a domain makes it, and other secrets of various lengths and alphabets.
const (
	header  = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9"
	payload = "eyJzdWIiOiJtYXJpYUBleGFtcGxlLmNvbSIsImV4cCI6MTc2MDAwMDAwMH0"
	jwt     = header + "." + payload + ".q7Rk-Zb_0aX3mN9vT5yL2wE8uI4oP6sD1fG7hJ"
	uuid    = "5f0d8a64-93c1-4be7-a2f0-6c1d7e8b9a03"
	odd     = `p4ss "word" & more`
	brief   = "hunter2!"
	pem     = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw\nggSjAgEAAoIBAQC7VJTUt9Us8cKj\n-----END PRIVATE KEY-----\n"
)

func all() []Text {
	return []Text{New(jwt), New(uuid), New(odd), New(brief), New(pem), New(""), New("abc")}
}

func TestRedactor(t *testing.T) {
	r := NewRedactor(all(), true)
	encode := base64.StdEncoding.EncodeToString
	wrapped := func(text string, width int) (lines string) {
		for ; len(text) > width; text = text[width:] {
			lines += text[:width] + "\n"
		}
		return lines + text
	}
	backwards := func(text string) string {
		b := []byte(text)
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
		return string(b)
	}
	for _, secret := range []string{jwt, uuid, odd, brief} {
		whole := []string{
			secret, "x" + secret + "y", "«" + secret + "»",
			encode([]byte(secret)), encode([]byte("a" + secret + "a")), encode([]byte("ab" + secret + "ab")), encode([]byte("abc" + secret)),
			base64.RawURLEncoding.EncodeToString([]byte(secret)),
			hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
			url.QueryEscape(secret), backwards(secret),
			wrapped(secret, 40), wrapped(encode([]byte("{\"accessToken\": \""+secret+"\"}")), 76),
		}
		for _, text := range whole {
			clean, changed := r.Redact(text)
			if !changed || !strings.Contains(clean, redacted) {
				t.Errorf("%q was not redacted", text)
			}
		}
	}
	for _, part := range []string{jwt[len(header)+1:][:30], jwt[len(jwt)-20:], uuid[:18], "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw"} {
		if clean, changed := r.Redact("see " + part + "."); !changed || clean != "see [redacted]." {
			t.Errorf("a part is left: %q", clean)
		}
	}
}

func TestRedactorKeepsOtherText(t *testing.T) {
	r := NewRedactor(all(), true)
	for _, text := range []string{
		"", "short", header, header + ".e30.", uuid[:15], "-----BEGIN PRIVATE KEY-----", "abc", "p4ss",
		"The quick brown fox jumps over the lazy dog — Grüße, 你好 \xff", strings.Repeat("A", 500),
	} {
		if clean, changed := r.Redact(text); changed || clean != text {
			t.Errorf("%q became %q", text, clean)
		}
	}
	if clean, _ := NewRedactor(nil, true).Redact(jwt); clean != jwt {
		t.Error("an empty redactor redacts")
	}
}

// A secret is found however a server or a program escapes its characters.
func TestRedactorFindsEscapedSecrets(t *testing.T) {
	const long, brief = `Zq8/+="w&x'y<z>\v%41 ü-0123456789`, `a/"&'<+=\`
	replace := func(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }
	asJSON := func(text string) string {
		quoted, _ := json.Marshal(text)
		return string(quoted[1 : len(quoted)-1])
	}
	lower := func(encoded string) string {
		return regexp.MustCompile("%..").ReplaceAllStringFunc(encoded, strings.ToLower)
	}
	for name, escape := range map[string]func(string) string{
		"HTML":                        html.EscapeString,
		"HTML, with names":            replace("&", "&amp;", "'", "&apos;", `"`, "&quot;", "<", "&lt;", ">", "&gt;"),
		"HTML, in hexadecimal":        replace("&", "&#x26;", "'", "&#X27;", `"`, "&#x22;", "<", "&#x3c;", ">", "&#x3E;", "/", "&#x2F;", "ü", "&#xfc;"),
		"HTML, all of it":             replace("=", "&#61;", "+", "&plus;", "&", "&#038;", "/", "&sol;", "ü", "&uuml;"),
		"HTML, the quotes left":       replace("&", "&amp;", "<", "&lt;", ">", "&gt;"),
		"JSON, as Go writes it":       asJSON,
		"JSON, the least":             replace(`\`, `\\`, `"`, `\"`),
		"JSON, as PHP writes it":      replace(`\`, `\\`, `"`, `\"`, "/", `\/`, "ü", `\u00fc`),
		"JSON, as .NET writes it":     replace(`\`, `\\`, `"`, `\u0022`, "&", `\u0026`, "'", `\u0027`, "<", `\u003C`, ">", `\u003E`, "+", `\u002B`, "ü", `\u00FC`),
		"a form":                      url.QueryEscape,
		"a form, in small letters":    func(text string) string { return lower(url.QueryEscape(text)) },
		"a path":                      url.PathEscape,
		"a path, in small letters":    func(text string) string { return lower(url.PathEscape(text)) },
		"a URL with its slashes":      func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "%2F", "/") },
		"a URL, small, with slashes":  func(text string) string { return strings.ReplaceAll(lower(url.QueryEscape(text)), "%2f", "/") },
		"a program's source, as Go's": func(text string) string { return strings.Trim(strconv.QuoteToASCII(text), `"`) },
		"a URL, every character of it": func(text string) string {
			return regexp.MustCompile("..").ReplaceAllString(hex.EncodeToString([]byte(text)), "%$0")
		},
	} {
		for _, secret := range []string{long, brief} {
			r := NewRedactor([]Text{{secret}, {"another-secret"}}, false)
			for _, around := range []string{"see ∎.", "&lt;b&#62;%20 ∎\n&amp;", `\u003c\/ü ∎&`} {
				before, after, _ := strings.Cut(around, "∎")
				if clean, changed := r.Redact(before + escape(secret) + after); !changed || clean != before+redacted+after {
					t.Errorf("%s: %q became %q", name, before+escape(secret)+after, clean)
				}
			}
		}
	}
}

// All secrets in a text are redacted, and the text between them stays.
func FuzzRedactor(f *testing.F) {
	f.Add("before ", " between ", " after", uint64(1))
	f.Add("\xf0\x9f", "", "…", uint64(2))
	r := NewRedactor(all(), true)
	f.Fuzz(func(t *testing.T, before, between, after string, seed uint64) {
		secrets := []string{jwt, uuid, odd, brief}
		one := secrets[rand.New(rand.NewPCG(seed, 0)).IntN(len(secrets))]
		clean, changed := r.Redact(before + one + between + jwt + after)
		if !changed || strings.Contains(clean, one) || strings.Contains(clean, payload) {
			t.Errorf("%q", clean)
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	r := NewRedactor(all(), true)
	text := strings.Repeat("func main() { fmt.Println(\"a line of code\") } // and what it means\n", 800)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.Redact(text)
	}
}

func BenchmarkNewRedactor(b *testing.B) {
	text := New(strings.Repeat(uuid, 40))
	for b.Loop() {
		NewRedactor([]Text{text, text}, true)
	}
}
