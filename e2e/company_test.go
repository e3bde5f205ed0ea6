package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A company has a CA of its own and a proxy that inspects what goes through it:
// it answers every CONNECT with a certificate minted for that name.
type company struct {
	t      *testing.T
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	CAFile string

	mu       sync.Mutex
	behind   map[string]*url.URL // by name: who answers
	minted   map[string]*tls.Certificate
	asked    []string // the names of all CONNECTs that were let through
	refused  int      // CONNECTs without the right password
	password string   // "user:password", or "" for a free proxy
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{t: t, behind: map[string]*url.URL{}, minted: map[string]*tls.Certificate{}}
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "Inspecting Company"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	signed := c.sign(root)
	c.ca, c.caKey = signed.Leaf, signed.PrivateKey.(*ecdsa.PrivateKey)
	c.CAFile = c.write("company-ca.pem", "CERTIFICATE", c.ca.Raw)
	return c
}

// sign issues a certificate, the first one by itself.
func (c *company) sign(template *x509.Certificate) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	issuer, issuerKey := c.ca, c.caKey
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		c.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (c *company) write(name, kind string, der []byte) (path string) {
	path = filepath.Join(c.t.TempDir(), name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// person issues a client certificate, in two files.
func (c *company) person(name string) (cert, key string) {
	signed := c.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalPKCS8PrivateKey(signed.PrivateKey)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.write("client.crt", "CERTIFICATE", signed.Certificate[0]), c.write("client.key", "PRIVATE KEY", der)
}

// TLS is for servers of the company, under any name.
func (c *company) TLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(c.ca)
	return &tls.Config{ClientCAs: roots, RootCAs: roots, GetCertificate: c.certificate}
}

// certificate mints the certificate of the name that is asked for, or of this
// machine.
func (c *company) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := hello.ServerName
	if strings.Contains(name, ":") { // Bun names an IPv6 address
		name = ""
	}
	if c.minted[name] == nil {
		template := &x509.Certificate{DNSNames: []string{name}}
		if name == "" {
			template.DNSNames, template.IPAddresses = nil, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		}
		c.minted[name] = c.sign(template)
	}
	return c.minted[name], nil
}

// serves puts a server behind the gateway, under a name that exists in the company
// alone, and returns its address.
func (c *company) serves(name, address string) string {
	u, err := url.Parse(address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behind[name] = &url.URL{Scheme: u.Scheme, Host: u.Host}
	return "https://" + name + u.Path
}

// front serves an address by TLS at a loopback address, under a name.
func (c *company) front(name, listen, address string) string {
	server := c.gateway(listen)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	return c.serves(net.JoinHostPort(name, port), address)
}

// gateway is a TLS server for all names.
func (c *company) gateway(listen string) *httptest.Server {
	listener, err := net.Listen("tcp", net.JoinHostPort(listen, "0"))
	if err != nil {
		c.t.Skipf("this machine has no %s: %v", listen, err)
	}
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) {
			c.mu.Lock()
			to := c.behind[r.In.Host]
			c.mu.Unlock()
			if to == nil {
				to = &url.URL{Scheme: "http", Host: "nobody.invalid"}
			}
			r.SetURL(to)
		},
	})
	_ = server.Listener.Close()
	server.Listener = listener
	server.TLS = c.TLS()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	c.t.Cleanup(server.Close)
	return server
}

// proxy starts the proxy and returns its address, with the password if it wants one.
func (c *company) proxy(user, password string) string {
	if user != "" {
		c.password = user + ":" + password
	}
	gateway := c.gateway("127.0.0.1").Listener.Addr().String()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.lets(w, r) {
			return
		}
		up, err := net.Dial("tcp", gateway)
		if err != nil {
			http.Error(w, "no gateway", http.StatusBadGateway)
			return
		}
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = up.Close()
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(up, down); _ = up.Close() }()
		go func() { _, _ = io.Copy(down, up); _ = down.Close() }()
	}))
	c.t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		c.t.Fatal(err)
	}
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}

// lets reports whether a request may go through the proxy, and refuses it else.
func (c *company) lets(w http.ResponseWriter, r *http.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := strings.TrimSuffix(r.Host, ":443")
	given, _ := strings.CutPrefix(r.Header.Get("Proxy-Authorization"), "Basic ")
	switch {
	case c.password != "" && given != base64.StdEncoding.EncodeToString([]byte(c.password)):
		c.refused++
		w.Header().Set("Proxy-Authenticate", `Basic realm="company"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
	case r.Method != http.MethodConnect || c.behind[name] == nil:
		w.WriteHeader(http.StatusForbidden)
	default:
		c.asked = append(c.asked, name)
		return true
	}
	return false
}

// went returns how often the proxy was asked for a name.
func (c *company) went(name string) (times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, asked := range c.asked {
		if asked == name {
			times++
		}
	}
	return times
}
