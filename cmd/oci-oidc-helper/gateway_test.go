package main

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/gateway"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A gatewayTest is a gateway in this process, whose endpoint wants a client certificate.
type gatewayTest struct {
	*computer
	*gatewayServer
	key string
}

func newGatewayTest(t *testing.T) *gatewayTest {
	c := newComputer(t)
	places := store.Places{Home: c.home, ConfigDirs: []string{c.path(".config/opencode")}, StateDir: c.path("state/opencode-oci-oidc")}
	key := gateway.NewKey()
	_, err := gateway.UpdateSettings(places, func(s *gateway.Settings) { s.Key = gateway.KeyOf(key) })
	c.check(err)
	messages := logging.Open(c.path("log"))
	t.Cleanup(messages.Close)
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	g := &gatewayServer{app: &app{places: places, log: messages, directory: c.home}, cmd: cmd}
	t.Cleanup(g.close)
	return &gatewayTest{c, g, key.Reveal()}
}

// ask sends a request with the headers and returns the status and the body of the answer.
func (g *gatewayTest) ask(headers ...string) (int, string) {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/v1/models", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// mutual puts a TLS server in front of the endpoint, which wants a client certificate of the
// company's CA. It returns the CA. TLS 1.2, because in 1.3 the server's alert may be lost.
func (g *gatewayTest) mutual() (*x509.Certificate, *ecdsa.PrivateKey) {
	ca, key := certificate(g.T, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Company"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: aDayAgo, NotAfter: inTwoDays,
	}, nil, nil)
	leaf, leafKey := certificate(g.T, localLeaf(), ca, key)
	endpoint, err := url.Parse(g.server.LLMBaseURL)
	g.check(err)
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: endpoint.Scheme, Host: endpoint.Host})
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	server := httptest.NewUnstartedServer(behind)
	server.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey}}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	g.Cleanup(server.Close)
	g.keys["llm_base_url"] = server.URL + endpoint.Path
	return ca, key
}

// writePEM writes a certificate, followed by its key if there is one.
func (g *gatewayTest) writePEM(name string, c *x509.Certificate, key *ecdsa.PrivateKey) {
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		g.check(err)
		text += string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	g.write(name, text)
}

// The gateway stands up again after each wrong configuration, sends the client certificate to
// an endpoint that asks for one, and uses certificates that were replaced. All that without a
// restart.
func TestGatewayFollowsItsConfiguration(t *testing.T) {
	g := newGatewayTest(t)
	expect := func(status int, says string) {
		t.Helper()
		for range 2 { // the second time nothing has changed
			if got, body := g.ask("Authorization", "Bearer "+g.key); got != status || !strings.Contains(body, says) {
				t.Fatalf("%d %s, want %d and %q", got, body, status, says)
			}
		}
	}
	expect(200, "")
	ca, caKey := g.mutual()
	maria, key := certificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "maria"}, NotBefore: aDayAgo, NotAfter: tomorrow}, ca, caKey)
	g.keys["ca_file"] = g.path("company.pem")
	g.configure()
	expect(502, "company.pem")
	g.writePEM("company.pem", maria, nil)
	expect(502, "certificate")
	g.writePEM("company.pem", ca, nil)
	expect(502, "127.0.0.1") // the endpoint wants a client certificate
	g.keys["tls_client_cert"] = g.path("maria.pem")
	g.configure()
	expect(502, "maria.pem")
	g.writePEM("maria.pem", maria, key)
	expect(200, "")
	g.write(".config/opencode/oci-auth.config.jsonc", "{")
	expect(502, "oci-auth.config.jsonc")
	g.configure()
	expect(200, "")
	g.remove("company.pem")
	expect(502, "company.pem")
}

// A gateway that ends waits also for the sessions of a configuration before the present one: a
// refresh that they have sent has used up the refresh token.
func TestGatewayEndsAfterReplacedSessions(t *testing.T) {
	g := newGatewayTest(t)
	if status, body := g.ask("Authorization", "Bearer "+g.key); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	before, used := g.sessions.For(""), g.savedTokens().Refresh
	held := &heldTransport{sent: make(chan struct{}), release: make(chan struct{})}
	before.UseTransport(held)
	refreshed := make(chan error, 1)
	go func() { _, err := before.Refresh(t.Context()); refreshed <- err }()
	<-held.sent
	g.keys["log_level"] = "debug"
	g.configure()
	if status, body := g.ask("Authorization", "Bearer "+g.key); status != 200 || g.sessions.For("") == before {
		t.Fatalf("%d %s; a new session: %t", status, body, g.sessions.For("") != before)
	}
	time.AfterFunc(50*time.Millisecond, func() { close(held.release) })
	g.close()
	if g.savedTokens().Refresh == used {
		t.Error("the gateway ended before the new refresh token was saved")
	}
	g.check(<-refreshed)
}

// A heldTransport sends the first form when it is released.
type heldTransport struct{ sent, release chan struct{} }

func (h *heldTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		close(h.sent)
		<-h.release
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Who may not use the gateway learns nothing from it: each gets the same answer whatever the
// state of its configuration and of its settings.
func TestGatewayTellsNothingWithoutTheKey(t *testing.T) {
	g := newGatewayTest(t)
	with := []string{"Authorization", "Bearer " + g.key}
	callers := map[string][]string{
		"no key": nil, "another key": {"Authorization", "Bearer " + gateway.NewKey().Reveal()},
		"a web page": append([]string{"Origin", "https://evil.example"}, with...), "another host name": append([]string{"Host", "evil.example"}, with...),
	}
	answers := map[string]string{}
	settings := g.path("state/opencode-oci-oidc/gateway.json")
	for _, state := range []struct {
		name   string
		change func()
	}{
		{"all is well", func() {}},
		{"a CA that is not there", func() {
			g.keys["llm_base_url"], g.keys["ca_file"] = "https://127.0.0.1:1/v1", g.path("missing.pem")
			g.configure()
		}},
		{"no valid configuration", func() { g.write(".config/opencode/oci-auth.config.jsonc", "{") }},
		{"no configuration", func() { g.remove(".config/opencode/oci-auth.config.jsonc") }},
		{"no valid settings", func() { g.check(os.WriteFile(settings, []byte("{"), 0o600)) }},
	} {
		state.change()
		for caller, headers := range callers {
			status, body := g.ask(headers...)
			home, _ := json.Marshal(g.home)
			if before, asked := answers[caller]; status != 401 && status != 403 || asked && body != before || strings.Contains(body, strings.Trim(string(home), `"`)) {
				t.Errorf("%s, %s: %d %s", state.name, caller, status, body)
			} else if !asked {
				answers[caller] = body
			}
		}
	}
}
