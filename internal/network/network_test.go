package network

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

func TestMain(m *testing.M) {
	for _, name := range CAVariables {
		_ = os.Unsetenv(name)
	}
	goleak.VerifyTestMain(m)
}

// A company is a CA with the certificates that it issued, in files.
type company struct {
	dir    string
	ca     *x509.Certificate
	key    *ecdsa.PrivateKey
	server tls.Certificate
}

func newCompany(t *testing.T) *company {
	c := &company{dir: t.TempDir()}
	c.ca, c.key = issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "Company\x1b[31m CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	c.write(t, "ca.pem", "CERTIFICATE", c.ca.Raw)
	leaf, key := issue(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}, c.ca, c.key)
	c.server = tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
	for _, name := range []string{"maria", "pat"} {
		leaf, key := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}}, c.ca, c.key)
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		c.write(t, name+".crt", "CERTIFICATE", leaf.Raw)
		c.write(t, name+".key", "PRIVATE KEY", der)
		c.write(t, name+".locked", "ENCRYPTED PRIVATE KEY", der)
	}
	both := c.read(t, "maria.crt") + c.read(t, "maria.key")
	c.put(t, "both.pem", both)
	c.put(t, "chain.pem", c.read(t, "ca.pem")+c.read(t, "maria.crt"))
	c.put(t, "wide.pem", string(disktest.UTF16(strings.ReplaceAll(both, "\n", "\r\n"), binary.LittleEndian)))
	c.put(t, "marked.crt", "\ufeff"+c.read(t, "maria.crt"))
	c.put(t, "marked.key", "\ufeff"+c.read(t, "maria.key"))
	c.put(t, "empty.pem", "")
	c.put(t, "broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	c.put(t, "bundle.pem", "# the company\r\n"+c.read(t, "broken.pem")+c.read(t, "ca.pem"))
	return c
}

// issue creates a certificate. It fills in serial number, times and key if they are missing.
func issue(t *testing.T, c, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	if c.NotAfter.IsZero() {
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

func (c *company) path(name string) string {
	if name == "" {
		return ""
	}
	return filepath.Join(c.dir, name)
}

func (c *company) put(t *testing.T, name, text string) {
	if err := os.WriteFile(c.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *company) write(t *testing.T, name, kind string, der []byte) {
	c.put(t, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

func (c *company) read(t *testing.T, name string) string {
	text, err := os.ReadFile(c.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// serve starts a server of the company that answers with the name of the client's
// certificate.
func (c *company) serve(t *testing.T, address string, auth tls.ClientAuthType) *url.URL {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("this machine has no %s: %v", address, err)
	}
	_ = server.Listener.Close()
	server.Listener = lingering{listener}
	roots := x509.NewCertPool()
	roots.AddCert(c.ca)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{c.server}, ClientAuth: auth, ClientCAs: roots}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// get returns the server's answer, or the problem's text.
func get(t *testing.T, s Settings, u *url.URL) (said string, p *problem.Problem) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.RoundTrip(req)
	if err != nil {
		return "", s.Diagnose(err, u)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", s.Diagnose(err, u)
	}
	return string(body), nil
}

func TestCompanyCA(t *testing.T) {
	c := newCompany(t)
	for _, row := range []struct {
		name, caFile, variable, file string
		kind                         problem.Kind
		says                         string // in the message or the hint; "" for a good answer
	}{
		{"nobody names it", "", "", "", problem.TLS, "authority that this machine does not know: CN=Company\\x1b[31m CA"},
		{"ca_file", "ca.pem", "", "", "", ""},
		{"a bundle with comments and one damaged", "bundle.pem", "", "", problem.Config, "which has a damaged certificate in line 2"},
		{"NODE_EXTRA_CA_CERTS", "", "NODE_EXTRA_CA_CERTS", "ca.pem", "", ""},
		{"SSL_CERT_FILE, beside ca_file", "ca.pem", "SSL_CERT_FILE", "maria.crt", "", ""},
		{"a broken variable, where ca_file is right", "ca.pem", "NODE_EXTRA_CA_CERTS", "none.pem", "", ""},
		{"a broken variable", "", "NODE_EXTRA_CA_CERTS", "none.pem", problem.TLS, "NODE_EXTRA_CA_CERTS names " + c.path("none.pem") + ", which does not exist"},
		{"a directory of CAs that is missing", "", "SSL_CERT_DIR", "none", problem.TLS, "SSL_CERT_DIR names " + c.path("none") + ", where there is no directory"},
		{"missing", "none.pem", "", "", problem.Config, "ca_file names " + c.path("none.pem") + ", which does not exist"},
		{"empty", "empty.pem", "", "", problem.Config, "holds no certificate"},
		{"broken", "broken.pem", "", "", problem.Config, "has a damaged certificate in line 1"},
		{"a key", "maria.key", "", "", problem.Config, "holds no certificate"},
		{"a directory", ".", "", "", problem.Config, "is a directory, not a file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.variable == "SSL_CERT_DIR" && !isSystems {
				t.Skip("SSL_CERT_DIR has no meaning here")
			}
			if row.variable != "" {
				t.Setenv(row.variable, c.path(row.file))
			}
			_, p := get(t, Settings{CAFile: c.path(row.caFile)}, c.serve(t, "127.0.0.1:0", tls.NoClientCert))
			check(t, p, row.kind, row.says)
		})
	}
}

// TestOnlyTheConfirmedCAs: if CASum is set, a file with another checksum is not trusted.
func TestOnlyTheConfirmedCAs(t *testing.T) {
	c := newCompany(t)
	text, err := os.ReadFile(c.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	address := c.serve(t, "127.0.0.1:0", tls.NoClientCert)
	sum := sha256.Sum256(text)
	s := Settings{CAFile: c.path("ca.pem"), CASum: hex.EncodeToString(sum[:])}
	_, p := get(t, s, address)
	check(t, p, "", "")
	if err := os.WriteFile(s.CAFile, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	_, p = get(t, s, address)
	check(t, p, problem.Untrusted, "which is not what was confirmed")
}

func TestClientCertificate(t *testing.T) {
	c := newCompany(t)
	other := newCompany(t)
	for _, row := range []struct {
		name, cert, key string
		kind            problem.Kind
		says            string
	}{
		{"two files", "maria.crt", "maria.key", "", "maria"},
		{"one file", "both.pem", "", "", "maria"},
		{"its CA before it", "chain.pem", "maria.key", "", "maria"},
		{"one file in UTF-16", "wide.pem", "", "", "maria"},
		{"two files with marks", "marked.crt", "marked.key", "", "maria"},
		{"none", "", "", problem.TLS, "wants a client certificate"},
		{"another's", other.path("maria.crt"), other.path("maria.key"), problem.TLS, "does not accept the client certificate " + other.path("maria.crt")},
		{"another key", "maria.crt", "pat.key", problem.Config, "tls_client_key names " + c.path("pat.key") + ", which holds the private key of another certificate"},
		{"no key", "maria.crt", "", problem.Config, "maria.crt, which holds no private key"},
		{"key with a passphrase", "maria.crt", "maria.locked", problem.Config, "holds a private key with a passphrase"},
		{"no certificate", "maria.key", "maria.key", problem.Config, "tls_client_cert names " + c.path("maria.key") + ", which holds no certificate"},
		{"missing", "none", "maria.key", problem.Config, "tls_client_cert names " + c.path("none") + ", which does not exist"},
		{"missing key", "maria.crt", "none", problem.Config, "tls_client_key names " + c.path("none") + ", which does not exist"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := Settings{CAFile: c.path("ca.pem"), ClientCert: c.path(row.cert), ClientKey: c.path(row.key)}
			if filepath.IsAbs(row.cert) {
				s.ClientCert, s.ClientKey = row.cert, row.key
			}
			said, p := get(t, s, c.serve(t, "127.0.0.1:0", tls.RequireAndVerifyClientCert))
			if row.kind == "" && said != row.says {
				t.Errorf("the server saw %q", said)
			}
			if row.kind != "" || p != nil {
				check(t, p, row.kind, row.says)
			}
		})
	}
}

// A renewed certificate is used at the next connection.
func TestRenewedFiles(t *testing.T) {
	c := newCompany(t)
	s := Settings{CAFile: c.path("ca.pem"), ClientCert: c.path("mine.crt"), ClientKey: c.path("mine.key")}
	server := c.serve(t, "127.0.0.1:0", tls.RequireAndVerifyClientCert)
	for _, name := range []string{"maria", "pat"} {
		c.put(t, "mine.crt", c.read(t, name+".crt"))
		c.put(t, "mine.key", c.read(t, name+".key"))
		if said, p := get(t, s, server); said != name {
			t.Errorf("the server saw %q, want %s: %v", said, name, p)
		}
	}
}

func TestIPv6(t *testing.T) {
	c := newCompany(t)
	_, p := get(t, Settings{CAFile: c.path("ca.pem")}, c.serve(t, "[::1]:0", tls.NoClientCert))
	check(t, p, "", "")
}

// A broken file does not matter to a connection without TLS.
func TestFilesAreReadOnlyForTLS(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	u, _ := url.Parse(server.URL)
	_, p := get(t, Settings{CAFile: "/none", ClientCert: "/none"}, u)
	check(t, p, "", "")
}

func check(t *testing.T, p *problem.Problem, kind problem.Kind, says string) {
	t.Helper()
	switch {
	case kind == "" && p != nil:
		t.Errorf("%+v", p)
	case kind == "":
	case p == nil:
		t.Errorf("no problem, want %q", says)
	case p.Kind != kind || !strings.Contains(p.Message+p.Hint, says) || p.Hint == "":
		t.Errorf("%s: %s\n%s\nwant %s: %s", p.Kind, p.Message, p.Hint, kind, says)
	}
}
