package network

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
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

// No part of a password appears in an error about the address that contains it, well-formed or
// not, or in the log.
func TestNoPartOfAPasswordIsShown(t *testing.T) {
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
		{"http://proxy.example", "localhost|idp.test", "idp.test", ""},
		{"http://proxy.example", "idp.test，llm.test", "idp.test", ""},
		{"http://proxy.example", "llm.test/,idp.test/", "idp.test", ""},
		{"http://proxy.example", "idp.test.", "idp.test", ""},
		{"http://proxy.example", "*.idp.test", "a.idp.test", ""},
		// Node understands *idp.test, but Bun, which runs OpenCode, uses the proxy for it, as curl and Go do.
		{"http://proxy.example", "*idp.test", "idp.test", "NO_PROXY is malformed"},
		{"http://proxy.example", "*idp.test", "other.test", "http://proxy.example"},
		{"http://proxy.example", "IDP.*", "idp.test", "NO_PROXY is malformed"},
		{"http://proxy.example", "i*.test", "idp.test", "NO_PROXY is malformed"},
		{"http://proxy.example", "idp.test/oauth2", "idp.test", "NO_PROXY is malformed"},
		{"http://proxy.example", "10.*,<local>,10.0.0.0/255.0.0.0", "idp.test", "http://proxy.example"},
		{"http://proxy.example", `"localhost,idp.test"`, "idp.test", ""},
		{"http://proxy.example", `'localhost','idp.test'`, "idp.test", ""},
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

// The problem of a malformed proxy variable says what is wrong, and quotes no part of the value.
func TestMalformedProxyVariables(t *testing.T) {
	const (
		around, word, pac, more = "quotes or white space around it", "is a word and not an address", "names a PAC file", "more than the address of one proxy"
		scheme, user, web       = "its scheme is none of", `an @ after a /, \, ? or #`, "no host, or characters that no address has"
	)
	for value, want := range map[string]string{
		"http://proxy:8080":                    "",
		"HTTP://PROXY:8080":                    "",
		"http://none:8080":                     "",
		"none.example":                         "",
		"http://pac.example/":                  "",
		"http://ada:a,b;c4711@proxy:8080":      "",
		"socks5h://proxy":                      "",
		`"http://proxy:8080"`:                  around,
		"'http://ada:pass4711@proxy:8080'":     around,
		"`proxy`":                              around,
		" http://proxy:8080":                   around,
		"http://proxy:8080\r":                  around,
		"http://ada:pass4711@proxy:8080\n":     around,
		"DIRECT":                               word,
		"none":                                 word,
		"off":                                  word,
		"false":                                word,
		"0":                                    word,
		"undefined":                            word,
		"http://wpad/wpad.dat":                 pac,
		"http://wpad.example:8000/proxy.pac":   pac,
		"pac+https://ada:pass4711@wpad/x":      pac,
		"file:///etc/proxy.pac":                pac,
		"http=proxy:80;https=proxy:443":        more,
		"PROXY proxy:8080":                     more,
		"http://proxy:8080,http://proxy2:8080": more,
		"http://proxy:8080;":                   more,
		"http://ada:pass4711@proxy:80,http://a:b@p2:80": user,
		"socks4://proxy:1080":                           scheme,
		"socks://ada:pass4711@proxy:1080":               scheme,
		"quic://proxy:1":                                scheme,
		`http://CORP\ada:pass4711@proxy:8080`:           user,
		"http://ada:pa%ss4711@proxy:8080":               web,
		"http://ada:päss4711@proxy:8080":                web,
		"http://fd00::1:8080":                           web,
		"//proxy:8080":                                  web,
		"http:proxy:8080":                               web,
		"http//ada:pass4711@proxy:8080":                 web,
		"https//proxy:8080":                             web,
		"%PROXY%":                                       web,
		"http://${PROXY}:8080":                          web,
	} {
		p := CheckProxyVariable("HTTPS_PROXY", value, "")
		switch {
		case p == nil && want != "", p != nil && (want == "" || !strings.Contains(p.Message, want)):
			t.Errorf("%q: %v, want %q", value, p, want)
		case p != nil && (strings.Contains(p.Error(), "4711") || p.Hint == ""):
			t.Errorf("%q: %v", value, p)
		}
	}
}

// If a proxy refuses a connection, the problem names the proxy and the reason.
func TestProxiesThatRefuse(t *testing.T) {
	says := func(words string) func(*net.TCPConn) {
		return func(conn *net.TCPConn) { hello(conn); _, _ = io.WriteString(conn, words) }
	}
	// socks answers a client's words one after the other.
	socks := func(answers ...string) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			for _, answer := range answers {
				hello(conn)
				_, _ = io.WriteString(conn, answer)
			}
			hello(conn)
		}
	}
	// over answers over TLS; config has the company's certificate if it names no other. If
	// behind is not nil, it then is a server that speaks no HTTP.
	c := newCompany(t)
	over := func(config *tls.Config, answer string, behind *tls.Config) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			secured := net.Conn(conn)
			for _, config := range []*tls.Config{config, behind} {
				if config == nil {
					break
				}
				if config.Certificates == nil {
					config.Certificates = []tls.Certificate{c.server}
				}
				server := tls.Server(secured, config)
				if server.Handshake() != nil {
					return
				}
				hello(server)
				_, _ = io.WriteString(server, answer)
				secured, answer = server, "220 mail.example.com ESMTP\r\n"
			}
		}
	}
	named := func(name string) tls.Certificate {
		leaf, key := issue(t, &x509.Certificate{DNSNames: []string{name}}, c.ca, c.key)
		return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
	}
	target, elsewhere := named("idp.test"), named("portal.example")
	const user, established = "ada:pa%2Fss4711@", "HTTP/1.1 200 X\r\n\r\n"
	for _, row := range []struct {
		name, before string
		proxy        func(*net.TCPConn)
		says         string
	}{
		{"407", "http://", says("HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 4\r\n\r\nhtml"), "PROXY wants a user name and password."},
		{"407 without a body", "http://", says("HTTP/1.1 407 X\r\n\r\n"), "PROXY wants a user name and password."},
		{"407 with a password", "http://" + user, says("HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm=x\r\n\r\n"), "PROXY does not accept the user name and password of HTTPS_PROXY."},
		{"407 for NTLM", "http://", says("HTTP/1.1 407 X\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n"), "PROXY wants a sign-in of another kind than Basic."},
		{"403 with a page", "http://", says("HTTP/1.1 403 Blocked\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"), "PROXY makes no connection to idp.test (status 403)."},
		{"407 for one of two", "http://", says("HTTP/1.1 407 X\r\nProxy-Authenticate: Negotiate, Basic realm=\"x\"\r\n\r\n"), "PROXY wants a user name and password."},
		{"503", "http://", says("HTTP/1.0 503 No\r\n\r\n"), "PROXY makes no connection to idp.test (status 503)."},
		{"a redirect", "http://", says("HTTP/1.1 302 X\r\nLocation: http://portal/\r\n\r\n"), "PROXY makes no connection to idp.test (status 302)."},
		{"no HTTP", "http://", says("SSH-2.0-OpenSSH_9.6\r\n"), "PROXY gave an answer that is not HTTP, or is damaged."},
		{"half a header", "http://", says("HTTP/1.1 200 OK\r\nX"), "PROXY "},
		{"nothing", "http://", says(""), "PROXY cut the connection."},
		{"no HTTP, over TLS", "https://", over(&tls.Config{}, "<html>Blocked</html>", nil), "PROXY gave an answer that is not HTTP, or is damaged."},
		{"nothing, over TLS", "https://", over(&tls.Config{}, "", nil), "PROXY cut the connection."},
		{"403, over TLS", "https://", over(&tls.Config{}, "HTTP/1.1 403 X\r\n\r\n", nil), "PROXY makes no connection to idp.test (status 403)."},
		{"a client certificate is wanted, TLS 1.2", "https://", over(&tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, "", nil), "PROXY wants a client certificate."},
		{"a client certificate is wanted, TLS 1.3", "https://", over(&tls.Config{ClientAuth: tls.RequireAnyClientCert}, "", nil), "PROXY wants a client certificate."},
		{"old protocol", "https://", over(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "", nil), "PROXY speaks only an old protocol"},
		{"not its name", "https://", over(&tls.Config{Certificates: []tls.Certificate{elsewhere}}, "", nil), "the certificate of PROXY is for another name: portal.example"},
		{"the server cuts", "http://", says(established), "idp.test cut the connection in the TLS handshake, through PROXY."},
		{"the server cuts, behind TLS", "https://", over(&tls.Config{}, established, nil), "idp.test cut the connection in the TLS handshake, through PROXY."},
		{"the server has another name", "https://", over(&tls.Config{}, established, &tls.Config{}), "the certificate of idp.test is for another name: 127.0.0.1"},
		{"the server wants a client certificate", "https://", over(&tls.Config{}, established, &tls.Config{Certificates: []tls.Certificate{target}, ClientAuth: tls.RequireAnyClientCert}), "idp.test wants a client certificate."},
		{"the server is no HTTP server", "https://", over(&tls.Config{}, established, &tls.Config{Certificates: []tls.Certificate{target}}), "idp.test gave an answer that is not HTTP, or is damaged."},
		{"no TLS", "https://", says("HTTP/1.1 400 Bad Request\r\n\r\n"), "PROXY does not speak TLS."},
		{"SOCKS that wants a password", "socks5://", socks("\x05\xff"), "PROXY wants a user name and password."},
		{"SOCKS that refuses a password", "socks5h://" + user, socks("\x05\x02", "\x01\x01"), "PROXY does not accept the user name and password of HTTPS_PROXY."},
		{"SOCKS with a rule", "socks5://", socks("\x05\x00", "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"), "PROXY makes no connection to idp.test (connection not allowed by ruleset)."},
		{"SOCKS that finds nobody", "socks5h://", socks("\x05\x00", "\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"), "PROXY makes no connection to idp.test (host unreachable)."},
		{"SOCKS 4", "socks5://", socks("\x00\x5b\x00\x00\x00\x00\x00\x00"), "PROXY does not speak SOCKS5."},
		{"an HTTP proxy taken for SOCKS", "socks5://", says("HTTP/1.1 400 Bad Request\r\n\r\n"), "PROXY does not speak SOCKS5."},
		{"SOCKS that hangs up", "socks5://", says(""), "PROXY cut the connection."},
	} {
		t.Run(row.name, func(t *testing.T) {
			proxy := listening(t, row.proxy)
			t.Setenv("HTTPS_PROXY", row.before+proxy.Host)
			t.Setenv("NO_PROXY", "")
			_, p := get(t, Settings{CAFile: c.path("ca.pem")}, &url.URL{Scheme: "https", Host: "idp.test"})
			if p == nil || !strings.Contains(p.Message, strings.Replace(row.says, "PROXY", "the proxy "+proxy.Host, 1)) || p.Hint == "" {
				t.Errorf("%v", p)
			}
			if text := fmt.Sprint(p, p.Cause); strings.Contains(text, "ss4711") {
				t.Errorf("the error quotes the password: %s", text)
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
				t.Errorf("%q was accepted as a proxy", value)
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
