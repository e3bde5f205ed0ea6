package network

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

func TestParseAddress(t *testing.T) {
	for value, want := range map[string]string{ // the host; "" for a malformed address
		"https://idcs.example.com":            "idcs.example.com",
		"https://idcs.example.com:443/":       "idcs.example.com:443",
		"https://host/v1?x=1#y":               "host",
		"http://ada:p%40ss@proxy:8080":        "proxy:8080",
		"http://ada:p@ss@proxy:8080":          "proxy:8080", // as net/url and Bun read it
		"http://[::1]:8080":                   "[::1]:8080",
		"http://[fe80::1%25eth0]":             "[fe80::1%eth0]",
		"http://müller.example":               "müller.example",
		"http://under_score.example":          "under_score.example",
		"":                                    "",
		"host":                                "",
		"https://":                            "",
		"https:host":                          "",
		"https://host:":                       "",
		"https://host:0":                      "",
		"https://host:65536":                  "",
		"https://host:http":                   "",
		"https://ho st":                       "",
		"https://host'x":                      "",
		"https://ho<st>":                      "",
		"http://ada:4711#pass@proxy:8080":     "",
		"http://ada:4711/pass@proxy:8080":     "",
		"http://ada:4711?pass@proxy:8080":     "",
		`http://ada:4711\pass@proxy:8080`:     "",
		"http://ada:4711#pa@ss@proxy:8080":    "",
		"http://ada:pa%ss@proxy:8080":         "",
		"http://ada:pa ss@proxy:8080":         "",
		"http://ada:pass@proxy:8080:9090":     "",
		"http://ada:[pass]@proxy":             "",
		"http://ada:pass@":                    "",
		"http://proxy:8080@ada:pass":          "",
		"http://ada:4711\u2044pass@proxy:808": "", // a slash that is none: no host name has it
	} {
		u, err := ParseAddress(value)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q has the host %q", value, u.Host)
		case want != "" && (err != nil || u.Host != want):
			t.Errorf("%q: %v, want %s", value, err, want)
		}
	}
}

// The pieces of a password stay out of whatever is said of the address that it is in,
// well-formed or not, and of what is logged.
func TestNoPieceOfAPasswordIsTold(t *testing.T) {
	const user, first, second = "qzxv", "4711", "Wb7kqvTz"
	addresses := []string{"%s://%s:%s@%s", "%s://%s:%s@%s/", "%s:%s:%s@%s", "%s:/%s:%s@%s", "%s//%s:%s@%s", "%s://%s:%s@%s:99999", "%s://%s:%s@%s:port"}
	for _, between := range []string{"", "#", "/", "?", `\`, "@", "%", "%zz", " ", "\t", "\n", "\x00", "[", "]", "<", `"`, "'", "://", "::", "ß", "\xff", ";", ","} {
		for _, form := range addresses {
			for _, scheme := range []string{"http", "https", "socks5", "ftp", ""} {
				password := first + between + second
				proxy := fmt.Sprintf(form, scheme, user, password, "127.0.0.1:1")
				if _, err := ParseProxy(proxy); err != nil {
					tellsNothing(t, err.Error(), user, first, second)
				}
				if strings.Contains(proxy, "\x00") { // no environment has it
					continue
				}
				t.Setenv("HTTPS_PROXY", proxy)
				to := &url.URL{Scheme: "https", Host: "idcs.example.invalid"}
				_, err := Settings{}.RoundTrip(&http.Request{Method: http.MethodGet, URL: to, Header: http.Header{}})
				if err == nil {
					t.Fatalf("%q leads somewhere", proxy)
				}
				p := Settings{}.Diagnose(err, to)
				tellsNothing(t, p.Error(), user, first, second)
				tellsNothing(t, p.LogValue().String(), user, first, second)
			}
		}
	}
}

func tellsNothing(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		for i := range len(secret) - 3 {
			if strings.Contains(text, secret[i:i+4]) {
				t.Errorf("%q tells %q", text, secret[i:i+4])
			}
		}
	}
}

func TestProxyVariables(t *testing.T) {
	for _, row := range []struct{ https, no, to, want string }{
		{"proxy.example:8080", "", "idp.test", "http://proxy.example:8080"},
		{"http://proxy.example:8080/", "", "idp.test", "http://proxy.example:8080/"},
		{"http://proxy.example", "", "localhost", ""},
		{"http://proxy.example", "", "127.0.0.1:8080", ""},
		{"http://proxy.example", "localhost idp.test", "idp.test", ""},
		{"http://proxy.example", "localhost\nidp.test\n", "idp.test", ""},
		{"http://proxy.example", "localhost;idp.test", "idp.test", ""},
		{"http://proxy.example", "localhost, idp.test", "idp.test", ""},
		{"http://proxy.example", " .test\t", "idp.test", ""},
		{"http://proxy.example", "10.0.0.0/8 idp.test:443", "10.1.2.3", ""},
		{"http://proxy.example", "localhost *", "idp.test", ""},
		{"http://proxy.example", "localhost", "idp.test", "http://proxy.example"},
		{"http://proxy.example", "http://idp.test", "idp.test", "NO_PROXY is malformed"},
		{"http://proxy.example", "a,ada:pass@idp.test", "idp.test", "NO_PROXY is malformed"},
		{"ftp://proxy.example", "", "idp.test", "HTTPS_PROXY is malformed"},
		{"http://proxy.example:8080#x", "", "idp.test", "HTTPS_PROXY is malformed"},
		{"http://ada:4711#pass@proxy:8080", "", "idp.test", "HTTPS_PROXY is malformed"},
	} {
		t.Run(row.https+" "+row.no, func(t *testing.T) {
			t.Setenv("HTTPS_PROXY", row.https)
			t.Setenv("NO_PROXY", row.no)
			proxy, err := Proxy(&url.URL{Scheme: "https", Host: row.to})
			got := ""
			if proxy != nil {
				got = proxy.String()
			}
			if err != nil {
				if got = problem.From(err).Message; !strings.HasPrefix(got, row.want) || row.want == "" {
					t.Errorf("%s, want %q", got, row.want)
				}
				return
			}
			if got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

func FuzzParseProxy(f *testing.F) {
	for _, value := range []string{"proxy:8080", "http://ada:4711#pass@proxy:8080", "https://[::1%25x]:1/", "socks5h://a:b@c"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		u, err := ParseProxy(value)
		if err != nil {
			return
		}
		if u == nil {
			if value != "" {
				t.Errorf("%q is no proxy, and no error", value)
			}
			return
		}
		// What follows the last @ has the host, and nothing before it does.
		rest := value[strings.LastIndex(value, "@")+1:]
		if unescaped, err := url.PathUnescape(rest); !strings.Contains(rest, u.Host) && (err != nil || !strings.Contains(unescaped, u.Host)) {
			t.Errorf("the host of %q is %q", value, u.Host)
		}
	})
}
