package network

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

var loopback = []net.IP{net.IPv4(127, 0, 0, 1)}

// serving starts a server with the certificates, leaf first.
func serving(t *testing.T, key *ecdsa.PrivateKey, config *tls.Config, chain ...*x509.Certificate) *url.URL {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") }))
	var raw [][]byte
	for _, one := range chain {
		raw = append(raw, one.Raw)
	}
	config.Certificates = []tls.Certificate{{Certificate: raw, PrivateKey: key}}
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Listener = lingering{server.Listener}
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// listening starts a server that calls a function for each connection.
func listening(t *testing.T, serve func(*net.TCPConn)) *url.URL {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn.(*net.TCPConn))
			_ = lingeringConn{conn.(*net.TCPConn)}.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-ended })
	return &url.URL{Scheme: "https", Host: listener.Addr().String(), Path: "/"}
}

// A lingering listener's connections are closed when the client has read all. Otherwise what the
// server wrote last, such as a TLS alert, can be lost in a reset, if not all that the client
// sent was read.
type lingering struct{ net.Listener }

func (l lingering) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return lingeringConn{conn.(*net.TCPConn)}, nil
}

type lingeringConn struct{ *net.TCPConn }

func (c lingeringConn) Close() error {
	if c.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.Copy(io.Discard, c.TCPConn)
	}
	return c.TCPConn.Close()
}

// hello reads the client's first message, so that the connection is not closed before it.
func hello(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }

// reset closes with a reset.
func reset(conn *net.TCPConn) { _ = conn.SetLinger(0); _ = conn.Close() }

// Each reason for a failed TLS handshake has its own sentence.
func TestFailedHandshakes(t *testing.T) {
	c := newCompany(t)
	other := newCompany(t)
	leaf := func() *x509.Certificate { return &x509.Certificate{IPAddresses: loopback} }
	// issued serves a certificate by the company's CA.
	issued := func(template *x509.Certificate) func(t *testing.T) *url.URL {
		return func(t *testing.T) *url.URL {
			one, key := issue(t, template, c.ca, c.key)
			return serving(t, key, &tls.Config{}, one)
		}
	}
	// below serves a certificate by a CA that is not trusted by itself, but by the company's.
	below := func(ca, template *x509.Certificate) func(t *testing.T) *url.URL {
		return func(t *testing.T) *url.URL {
			ca.BasicConstraintsValid = true
			intermediate, key := issue(t, ca, c.ca, c.key)
			one, key := issue(t, template, intermediate, key)
			return serving(t, key, &tls.Config{}, one, intermediate)
		}
	}
	// with serves a good certificate in another way.
	with := func(config *tls.Config) func(t *testing.T) *url.URL {
		return func(t *testing.T) *url.URL {
			one, key := issue(t, leaf(), c.ca, c.key)
			return serving(t, key, config, one)
		}
	}
	// authority serves a certificate by a CA that is in the client's file.
	authority := func(ca *x509.Certificate) func(t *testing.T) *url.URL {
		return func(t *testing.T) *url.URL {
			ca.Subject, ca.IsCA, ca.BasicConstraintsValid = pkix.Name{CommonName: "Old"}, true, true
			ca, key := issue(t, ca, nil, nil)
			c.put(t, "ca.pem", c.read(t, "ca.pem")+string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})))
			one, key := issue(t, leaf(), ca, key)
			return serving(t, key, &tls.Config{}, one)
		}
	}
	clients := func() *x509.CertPool {
		pool := x509.NewCertPool()
		pool.AddCert(c.ca)
		return pool
	}
	yesterday, tomorrow := time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour)
	maria := Settings{ClientCert: c.path("maria.crt"), ClientKey: c.path("maria.key")}
	stranger := Settings{ClientCert: other.path("maria.crt"), ClientKey: other.path("maria.key")}
	for _, row := range []struct {
		name   string
		server func(*testing.T) *url.URL
		client Settings
		kind   problem.Kind
		says   string
	}{
		{"all is well", issued(leaf()), Settings{}, "", ""},
		{"old protocol", with(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}), Settings{}, problem.TLS, "speaks only an old protocol"},
		{"old protocol, chosen by the server", func(t *testing.T) *url.URL {
			return listening(t, func(conn *net.TCPConn) {
				hello(conn)
				answer := append([]byte{3, 1}, make([]byte, 32)...)
				answer = append(answer, 0, 0, 0x2f, 0)
				answer = append([]byte{2, 0, 0, byte(len(answer))}, answer...)
				_, _ = conn.Write(append([]byte{22, 3, 1, 0, byte(len(answer))}, answer...))
				hello(conn)
			})
		}, Settings{}, problem.TLS, "speaks only an old protocol"},
		{"old ciphers", with(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}), Settings{}, problem.TLS, "offers only old ciphers"},
		{"old ciphers, where a client certificate is configured", with(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}), maria, problem.TLS, "offers only old ciphers"},
		{"no TLS", func(t *testing.T) *url.URL {
			server := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			u, _ := url.Parse(server.URL)
			u.Scheme = "https"
			return u
		}, Settings{}, problem.TLS, "does not speak TLS"},
		{"another protocol", func(t *testing.T) *url.URL {
			return listening(t, func(conn *net.TCPConn) { _, _ = conn.Write([]byte("220 mail.example.com ESMTP\r\n")); hello(conn) })
		}, Settings{}, problem.TLS, "does not speak TLS"},
		{"cut in the handshake", func(t *testing.T) *url.URL {
			return listening(t, func(conn *net.TCPConn) { hello(conn); reset(conn) })
		}, Settings{}, problem.Network, "cut the connection in the TLS handshake"},
		{"ended in the handshake", func(t *testing.T) *url.URL {
			return listening(t, func(conn *net.TCPConn) { hello(conn) })
		}, Settings{}, problem.Network, "cut the connection in the TLS handshake"},

		{"weak signature", func(t *testing.T) *url.URL {
			template := leaf()
			template.SignatureAlgorithm = x509.ECDSAWithSHA1
			return issued(template)(t)
		}, Settings{}, problem.TLS, "has a signature that is too weak (ECDSA-SHA1)"},
		{"negative serial number", func(t *testing.T) *url.URL {
			one, key := issue(t, leaf(), c.ca, c.key)
			serial, err := asn1.Marshal(one.SerialNumber)
			if err != nil {
				t.Fatal(err)
			}
			raw := bytes.Clone(one.Raw) // its signature is looked at later
			raw[bytes.Index(raw, serial)+2] |= 0x80
			return bare(t, raw, key)
		}, Settings{}, problem.TLS, "has a negative serial number"},
		{"a certificate that is none", func(t *testing.T) *url.URL {
			_, key := issue(t, leaf(), c.ca, c.key)
			return bare(t, []byte{0x30, 3, 2, 1, 1}, key)
		}, Settings{}, problem.TLS, "cannot be read"},
		{"no alternative name", issued(&x509.Certificate{Subject: pkix.Name{CommonName: "127.0.0.1"}}), Settings{}, problem.TLS, "has no subject alternative name, and its common name 127.0.0.1"},
		{"no name at all", issued(&x509.Certificate{EmailAddresses: []string{"ada@example.com"}}), Settings{}, problem.TLS, "is for no host name or address at all."},
		{"two hundred names", issued(&x509.Certificate{DNSNames: strings.Fields(strings.Repeat("cdn.example ", 200))}), Settings{}, problem.TLS, "cdn.example and 195 others."},
		{"wrong name", issued(&x509.Certificate{DNSNames: []string{"portal.example.com", "b.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 2)}}), Settings{}, problem.TLS, "is for another name: portal.example.com, b.example, 127.0.0.2"},
		{"not valid yet", issued(&x509.Certificate{IPAddresses: loopback, NotBefore: tomorrow, NotAfter: tomorrow.Add(time.Hour)}), Settings{}, problem.TLS, "is not valid before " + tomorrow.UTC().Format(time.DateTime) + " UTC."},
		{"expired", issued(&x509.Certificate{IPAddresses: loopback, NotBefore: yesterday.Add(-time.Hour), NotAfter: yesterday}), Settings{}, problem.TLS, "expired at " + yesterday.UTC().Format(time.DateTime) + " UTC."},
		{"authority expired", authority(&x509.Certificate{KeyUsage: x509.KeyUsageCertSign, NotBefore: yesterday.Add(-time.Hour), NotAfter: yesterday}), Settings{}, problem.TLS, "put the authority's new certificate where its old one is"},
		{"authority that may not sign", authority(&x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature}), Settings{}, problem.TLS, "may not issue certificates." + askOwner},
		{"issuer expired", below(&x509.Certificate{Subject: pkix.Name{CommonName: "Branch"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign, NotBefore: yesterday.Add(-time.Hour), NotAfter: yesterday}, leaf()),
			Settings{}, problem.TLS, "has an issuer, CN=Branch, which expired at"},
		{"unknown authority", func(t *testing.T) *url.URL {
			one, key := issue(t, leaf(), &x509.Certificate{Subject: pkix.Name{CommonName: "Nobody"}}, c.key)
			return serving(t, key, &tls.Config{}, one)
		}, Settings{}, problem.TLS, "was issued by an authority that this machine does not know: CN=Nobody"},
		{"the intermediate is not sent", func(t *testing.T) *url.URL {
			branch, key := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Branch"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, c.ca, c.key)
			template := leaf()
			template.IssuingCertificateURL = []string{"http://ca.example/branch.crt"}
			one, key := issue(t, template, branch, key)
			return serving(t, key, &tls.Config{}, one)
		}, Settings{}, problem.TLS, "does not know, CN=Branch, and whose own certificate the server does not send"},
		{"the chain is in another order", func(t *testing.T) *url.URL {
			branch, key := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Branch"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, c.ca, c.key)
			one, key := issue(t, leaf(), branch, key)
			return serving(t, key, &tls.Config{}, one, c.ca, other.ca, branch)
		}, Settings{}, "", ""},
		{"a name where an address is", issued(&x509.Certificate{DNSNames: []string{"127.0.0.1"}}), Settings{}, problem.TLS, "is for another name: 127.0.0.1"},
		{"another protocol above TLS", with(&tls.Config{NextProtos: []string{"acme-tls/1"}}), Settings{}, problem.TLS, "refused the TLS connection (no application protocol)"},
		{"no session for this name", with(&tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, io.ErrClosedPipe }}), Settings{}, problem.TLS, "has a fault of its own in its TLS"},
		{"signed by itself", func(t *testing.T) *url.URL {
			one, key := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "box"}, IPAddresses: loopback}, nil, nil)
			return serving(t, key, &tls.Config{}, one)
		}, Settings{}, problem.TLS, "is signed by itself"},
		{"authority renewed", func(t *testing.T) *url.URL {
			one, key := issue(t, leaf(), other.ca, other.key)
			return serving(t, key, &tls.Config{}, one)
		}, Settings{}, problem.TLS, "but not with the key that this machine knows"},
		{"name constraints", below(&x509.Certificate{Subject: pkix.Name{CommonName: "Branch"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign, PermittedDNSDomainsCritical: true,
			PermittedIPRanges: []*net.IPNet{{IP: net.IPv4(10, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}}}, leaf()),
			Settings{}, problem.TLS, "its authority may not issue certificates for"},
		{"issuer that is none", below(&x509.Certificate{Subject: pkix.Name{CommonName: "Branch"}}, leaf()), Settings{}, problem.TLS, "has an issuer that may not issue certificates"},
		{"not for servers", issued(&x509.Certificate{IPAddresses: loopback, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}), Settings{}, problem.TLS, "is not for servers"},
		{"critical and unknown", issued(&x509.Certificate{IPAddresses: loopback, ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}}),
			Settings{}, problem.TLS, "was not accepted (x509: unhandled critical extension"},

		{"client certificate wanted, TLS 1.2", with(&tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}), Settings{}, problem.TLS, "wants a client certificate"},
		{"client certificate wanted, TLS 1.3", with(&tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}), Settings{}, problem.TLS, "wants a client certificate"},
		{"client certificate refused, TLS 1.2", with(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients(), MaxVersion: tls.VersionTLS12}), stranger, problem.TLS, "does not accept the client certificate " + stranger.ClientCert},
		{"client certificate refused, TLS 1.3", with(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients(), MinVersion: tls.VersionTLS13}), stranger, problem.TLS, "does not accept the client certificate " + stranger.ClientCert},
		{"client certificate accepted", with(&tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients()}), maria, "", ""},
		{"client certificate wanted, and nothing said", func(t *testing.T) *url.URL {
			return silent(t, c)
		}, Settings{}, problem.TLS, "asked for a client certificate, got none and cut the connection"},
		{"client certificate refused, and nothing said", func(t *testing.T) *url.URL {
			return silent(t, c)
		}, maria, problem.TLS, "cut the connection after it received the client certificate " + maria.ClientCert},
		{"cut after the handshake", func(t *testing.T) *url.URL {
			return listening(t, func(conn *net.TCPConn) {
				server := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{c.server}})
				if server.Handshake() == nil {
					hello(server)
				}
				reset(conn)
			})
		}, Settings{}, problem.Network, "cut the connection."},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.client.CAFile = c.path("ca.pem")
			u := row.server(t)
			_, p := get(t, row.client, u)
			check(t, p, row.kind, row.says)
			if p != nil && !strings.Contains(p.Message, u.Host) {
				t.Errorf("%q does not say where", p.Message)
			}
		})
	}
}

// bare is a server with a certificate that crypto/x509 cannot parse.
func bare(t *testing.T, raw []byte, key *ecdsa.PrivateKey) *url.URL {
	return listening(t, func(conn *net.TCPConn) {
		_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}).Handshake()
	})
}

// silent is a TLS 1.3 server that asks for a certificate and resets the connection
// instead of saying what is wrong with it.
func silent(t *testing.T, c *company) *url.URL {
	return listening(t, func(conn *net.TCPConn) {
		server := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{c.server}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13})
		if server.Handshake() == nil {
			hello(server)
		}
		reset(conn)
	})
}

// Every alert has a sentence, with and without a client certificate.
func TestAlerts(t *testing.T) {
	c := newCompany(t)
	maria := Settings{ClientCert: c.path("maria.crt"), ClientKey: c.path("maria.key")}
	says := map[byte][2]string{
		40: {"offers only old ciphers", "offers only old ciphers"}, 71: {"offers only old ciphers", "offers only old ciphers"},
		42: {"wants a client certificate", "does not accept the client certificate"}, 43: {"wants a client certificate", "does not accept the client certificate"},
		44: {"wants a client certificate", "it was revoked"}, 45: {"wants a client certificate", "it has expired"},
		46: {"wants a client certificate", "does not accept the client certificate"}, 48: {"wants a client certificate", "its issuer is not known there"},
		49: {"wants a client certificate", "its owner has no access there"}, 116: {"wants a client certificate", "does not accept the client certificate"},
		70: {"speaks only an old protocol", "speaks only an old protocol"}, 80: {"has a fault of its own", "has a fault of its own"},
		112: {"serves another name", "serves another name"},
	}
	for _, alert := range []byte{10, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80, 86, 109, 110, 112, 113, 115, 116, 120, 121, 200} {
		t.Run(fmt.Sprint(alert), func(t *testing.T) {
			server := listening(t, func(conn *net.TCPConn) { hello(conn); _, _ = conn.Write([]byte{21, 3, 3, 0, 2, 2, alert}); hello(conn) })
			for i, client := range []Settings{{}, maria} {
				client.CAFile = c.path("ca.pem")
				want := "refused the TLS connection"
				if known, ok := says[alert]; ok {
					want = known[i]
				}
				_, p := get(t, client, server)
				check(t, p, problem.TLS, want)
			}
		})
	}
}

// All certificates of a file are used, or the error says which line is damaged.
func TestCertificateFiles(t *testing.T) {
	c := newCompany(t)
	other := newCompany(t)
	one, two := c.read(t, "ca.pem"), other.read(t, "ca.pem")
	flat := func(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "") }
	wide := func(text string, marks ...byte) string {
		raw := marks
		for _, b := range []byte(text) {
			if marks[0] == 0xff {
				raw = append(raw, b, 0)
			} else {
				raw = append(raw, 0, b)
			}
		}
		return string(raw)
	}
	trusted := string(pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: append(bytes.Clone(c.ca.Raw), 0x30, 0)}))
	key := c.read(t, "maria.key")
	ecdsaKey := []byte{6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1} // the object identifier of the key's algorithm
	odd := bytes.Replace(c.ca.Raw, ecdsaKey, append(ecdsaKey[:8:8], 0x7f), 1)
	inLastLine := fmt.Sprintf("has a damaged certificate in line %d", strings.Count(one+two, "\n"))
	for _, row := range []struct {
		name, text string
		count      int
		says       string
	}{
		{"one", one, 1, ""},
		{"two", one + two, 2, ""},
		{"glued", strings.TrimSpace(one) + two, 2, ""},
		{"glued thrice", strings.TrimSpace(one) + strings.TrimSpace(two) + one, 3, ""},
		{"in one line", flat(one) + flat(two), 2, ""},
		{"with spaces for line breaks", strings.ReplaceAll(strings.TrimSpace(one), "\n", " ") + two, 2, ""},
		{"indented", strings.ReplaceAll("\n"+one+two, "\n", "\n    "), 2, ""},
		{"carriage returns", strings.ReplaceAll(one+two, "\n", "\r\n"), 2, ""},
		{"escaped", strings.ReplaceAll(one+two, "\n", `\n`), 2, ""},
		{"escaped, carriage returns", `"` + strings.ReplaceAll(one+two, "\n", `\r\n`) + `"`, 2, ""},
		{"PKCS #12", "\x30\x82\x0a\x01\x02\x01\x03", 0, "holds no certificate, but binary data such as PKCS #12"},
		{"old Mac", strings.ReplaceAll(one+two, "\n", "\r"), 2, ""},
		{"text between them", "# the company\n" + one + "subject=CN = Company\n" + two + "end\n", 2, ""},
		{"headers", strings.Replace(one, "\n", "\nX-Name: company\n\n", 1), 1, ""},
		{"a byte order mark", "\ufeff" + one + two, 2, ""},
		{"UTF-16, little", wide(one+two, 0xff, 0xfe), 2, ""},
		{"UTF-16, big", wide(one+two, 0xfe, 0xff), 2, ""},
		{"OpenSSL's form", trusted + two, 2, ""},
		{"an old name", strings.ReplaceAll(one, " CERTIFICATE", " X509 CERTIFICATE"), 1, ""},
		{"with a key", key + one, 1, ""},
		{"DER", string(c.ca.Raw), 1, ""},
		{"two in DER", string(c.ca.Raw) + string(other.ca.Raw), 2, ""},
		{"without padding", strings.ReplaceAll(one, "=", ""), 1, ""},
		{"empty", "", 0, "holds no certificate in PEM form"},
		{"a key", key, 0, "holds no certificate in PEM form, but PRIVATE KEY"},
		{"PKCS #7", strings.ReplaceAll(one, "CERTIFICATE", "PKCS7"), 0, "holds no certificate in PEM form, but PKCS7"},
		{"cut", one + two[:len(two)/2], 1, fmt.Sprintf("has a damaged certificate in line %d", 1+strings.Count(one, "\n"))},
		{"a lost end", strings.Replace(one, "-----END CERTIFICATE-----", "", 1) + two, 1, "has a damaged certificate in line 1"},
		{"a lost dash of the beginning", one + strings.Replace(two, "-----BEGIN", "----BEGIN", 1), 1, inLastLine},
		{"lost dashes", one + strings.ReplaceAll(two, "-----", "----"), 1, inLastLine},
		{"a lost beginning", one + strings.Replace(two, "-----BEGIN CERTIFICATE-----\n", "", 1) + one, 2, "has a damaged certificate in line"},
		{"a beginning with another name", one + strings.Replace(two, "BEGIN CERTIFICATE", "BEGIN CERTIFCATE", 1), 1, inLastLine},
		{"em dashes", one + strings.ReplaceAll(two, "-----", "——-"), 1, inLastLine},
		{"en dashes", one + strings.ReplaceAll(two, "-----", "–––––"), 1, inLastLine},
		{"a request beside them", strings.ReplaceAll(two, " CERTIFICATE", " CERTIFICATE REQUEST") + one, 1, ""},
		{"a lost dash", one + strings.Replace(two, "-----END", "----END", 1), 1, "has a damaged certificate in line"},
		{"letters that are none", one + strings.Replace(two, "M", "!", 1), 1, "has a damaged certificate in line"},
		{"a lost line", one + strings.Replace(two, strings.SplitAfter(two, "\n")[2], "", 1), 1, "has a damaged certificate in line"},
		{"a kind of key that is not supported", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: odd})), 0, "has a certificate that cannot be used, line 1: its key is of a kind"},
		{"the same in DER", string(odd), 0, "has a certificate that cannot be used, line 1: its key is of a kind"},
		{"nothing between", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n" + one, 1, "has a damaged certificate in line 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := c.path("file.pem")
			if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			found, unused, err := ReadCertificates(path)
			if len(found) != row.count || len(unused) > 0 != strings.Contains(row.says, "cannot be used") {
				t.Errorf("%d certificates, %q, want %d", len(found), unused, row.count)
			}
			if err == nil && row.says != "" || err != nil && (row.says == "" || !strings.HasPrefix(err.Error(), row.says)) {
				t.Errorf("%v, want %q", err, row.says)
			}
			if text := encodePEM(found); strings.Count(text, "-----BEGIN CERTIFICATE-----\n") != row.count {
				t.Error(text)
			}
		})
	}
}

// No file causes a panic, and the certificates that are read survive writing and reading again.
func FuzzCertificates(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE----------BEGIN CERTIFICATE-----\nAAAA"))
	f.Add([]byte("\xff\xfe-\x00-\x00"))
	f.Add([]byte("-----BEGIN TRUSTED CERTIFICATE-----MAA=-----END TRUSTED CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := parseCertificates(raw)
		if begun := max(bytes.Count(raw, []byte("-----BEGIN CERTIFICATE-----")), bytes.Count(raw, []byte("-----END CERTIFICATE-----"))); begun > 0 && err == nil && len(found.all)+len(found.unused) < begun && !bytes.HasPrefix(raw, []byte{0x30}) {
			t.Errorf("%d are found of %d in %q", len(found.all), begun, raw)
		}
		if err != nil {
			return
		}
		again, err := parseCertificates([]byte(encodePEM(found.all)))
		if len(found.all) > 0 && err != nil || len(again.all) != len(found.all) {
			t.Errorf("%v: %d have become %d", err, len(found.all), len(again.all))
		}
	})
}
