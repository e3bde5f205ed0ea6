package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// Names that exist in the company's network alone, so that nothing but its proxy
// leads to them.
const (
	domainName   = "idcs-e2e.test"
	endpointName = "llm.e2e.test"
)

// A method is a way to be a client of the domain.
type method struct {
	name      string
	configure func(*testing.T, *domaintest.Server) config
}

var methods = []method{
	{"confidential_app", confidential},
	{"mobile_app", mobile},
	{"public_app", func(t *testing.T, domain *domaintest.Server) config {
		c := mobile(t, domain)
		c.Method = "public_app"
		return c
	}},
	{"private_key_jwt", byKey},
	{"client_credentials", func(t *testing.T, domain *domaintest.Server) config {
		c := confidential(t, domain)
		c.Method, c.Scope = "client_credentials", domaintest.DefaultScope
		return c
	}},
	{"client_credentials with a key", func(t *testing.T, domain *domaintest.Server) config {
		c := byKey(t, domain)
		c.Method, c.Scope = "client_credentials", domaintest.DefaultScope
		return c
	}},
}

// byKey is the configuration for an application of domain with a key.
func byKey(t *testing.T, domain *domaintest.Server) config {
	key := newKey()
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600); err != nil {
		t.Fatal(err)
	}
	c := confidential(t, domain)
	c.Client, c.Secret, c.Key, c.Method = "by-key", "", "{file:"+file+"}", "private_key_jwt"
	domain.Change(func(o *domaintest.Options) {
		o.Clients = append(slices.Clone(o.Clients), domaintest.Client{ID: c.Client, PublicKey: &key.PublicKey})
	})
	domain.AllowRedirect(c.Client, c.Redirect)
	return c
}

// newKey makes a key once: it takes its time.
var newKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// A setting is a network with a domain and an endpoint in it.
type setting struct {
	*company
	domain  *domaintest.Server
	environ []string
	config  config           // what is the same for all methods
	methods []method         // besides those that apply everywhere
	browser *http.Transport  // how the person's browser reaches the domain
	holds   func(*testing.T) // what must be true of the network afterwards
}

// settings are the networks that companies have.
var settings = []struct {
	name  string
	build func(*testing.T, *setting)
}{
	{"inspected, the CA in ca_file", func(t *testing.T, s *setting) {
		s.beyondProxy(t, "", "")
		s.config.CAFile = s.CAFile
	}},
	{"inspected, the CA in NODE_EXTRA_CA_CERTS", func(t *testing.T, s *setting) {
		s.beyondProxy(t, "", "")
		s.environ = append(s.environ, "NODE_EXTRA_CA_CERTS="+s.CAFile)
	}},
	{"inspected, the CA in SSL_CERT_FILE, variables in small letters", func(t *testing.T, s *setting) {
		s.beyondProxy(t, "", "")
		for i, variable := range s.environ {
			name, value, _ := strings.Cut(variable, "=")
			s.environ[i] = strings.ToLower(name) + "=" + value
		}
		s.environ = append(s.environ, "SSL_CERT_FILE="+s.CAFile)
	}},
	{"a proxy with a password", func(t *testing.T, s *setting) {
		s.beyondProxy(t, "maria", proxyPassword)
		s.config.CAFile = s.CAFile
	}},
	{"the domain by proxy, the endpoint directly", func(t *testing.T, s *setting) {
		s.beyondProxy(t, "", "")
		s.config.CAFile = s.CAFile
		s.config.Endpoint = s.front("localhost", "127.0.0.1", s.domain.LLMBaseURL)
		s.environ = append(s.environ, "NO_PROXY=localhost")
		s.holds = func(t *testing.T) {
			if s.went(domainName) == 0 || s.went(endpointName) != 0 {
				t.Errorf("the proxy was asked for %v", s.asked)
			}
		}
	}},
	{"the endpoint by proxy, the domain directly", func(t *testing.T, s *setting) {
		s.start(t, domaintest.Options{TLS: s.TLS()})
		s.config.CAFile = s.CAFile
		s.config.Endpoint = s.serves(endpointName, s.domain.LLMBaseURL)
		s.environ = append(s.environ, "HTTPS_PROXY="+s.proxy("", ""), "NO_PROXY=127.0.0.1")
		s.holds = func(t *testing.T) {
			if s.went(domainName) != 0 || s.went(endpointName) == 0 {
				t.Errorf("the proxy was asked for %v", s.asked)
			}
		}
	}},
	{"a domain that asks for a client certificate", func(t *testing.T, s *setting) {
		const name = "maria's laptop"
		server := s.TLS()
		server.ClientAuth = tls.RequireAndVerifyClientCert
		s.start(t, domaintest.Options{TLS: server})
		s.domain.Change(func(o *domaintest.Options) {
			o.Clients = append(slices.Clone(o.Clients), domaintest.Client{ID: "by-certificate", CertificateName: name})
		})
		s.config.CAFile = s.CAFile
		s.config.TLSCert, s.config.TLSKey = s.person(name)
		certificate, err := tls.LoadX509KeyPair(s.config.TLSCert, s.config.TLSKey)
		if err != nil {
			t.Fatal(err)
		}
		s.browser.TLSClientConfig.Certificates = []tls.Certificate{certificate}
		s.config.Endpoint = s.front("localhost", "127.0.0.1", s.domain.LLMBaseURL)
		s.methods = []method{{"confidential_app with a certificate for its secret", func(t *testing.T, domain *domaintest.Server) config {
			c := confidential(t, domain)
			c.Client, c.Secret = "by-certificate", ""
			domain.AllowRedirect(c.Client, c.Redirect)
			return c
		}}}
	}},
	{"IPv6 alone", func(t *testing.T, s *setting) {
		if listener, err := net.Listen("tcp", "[::1]:0"); err != nil {
			t.Skipf("this machine has no IPv6: %v", err)
		} else {
			_ = listener.Close()
		}
		// OpenCode's fetch accepts no certificate of an IPv6 address.
		s.start(t, domaintest.Options{TLS: s.TLS(), DomainAddr: "[::1]:0", EndpointAddr: "[::1]:0"})
		s.config.CAFile = s.CAFile
	}},
}

// plainBrowser is one that knows no proxy and no CA.
var plainBrowser = &http.Transport{DisableKeepAlives: true}

const proxyPassword = "p@ss:w/rd 100%"

// beyondProxy puts domain and endpoint where the proxy alone leads to.
func (s *setting) beyondProxy(t *testing.T, user, password string) {
	s.start(t, domaintest.Options{PublicURL: "https://" + domainName})
	s.serves(domainName, "http://"+s.domain.Addr)
	s.config.Endpoint = s.serves(endpointName, s.domain.LLMBaseURL)
	proxy := s.proxy(user, password)
	s.environ = append(s.environ, "HTTPS_PROXY="+proxy)
	u, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	s.browser.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Hostname() == domainName {
			return u, nil
		}
		return nil, nil
	}
}

func (s *setting) start(t *testing.T, options domaintest.Options) {
	options.AutoApprove, options.AutoApproveDevices = true, true
	s.domain = domaintest.New(t, options)
	s.config.Domain, s.config.Endpoint = s.domain.URL, s.domain.LLMBaseURL
}

// Each method signs in, gets a token and refreshes it in each network, and the endpoint
// answers OpenCode's runtime.
func TestEveryMethodInEveryNetwork(t *testing.T) {
	t.Parallel()
	for _, row := range settings {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := &setting{company: newCompany(t), browser: &http.Transport{DisableKeepAlives: true}}
			s.browser.TLSClientConfig = s.TLS()
			row.build(t, s)
			for i, method := range append(s.methods, methods...) {
				t.Run(method.name, func(t *testing.T) {
					configured := s.configured(method.configure(t, s.domain))
					me := newConfiguredComputer(t, opencode.Latest, configured)
					me.Environ = append(me.Environ, s.environ...)
					s.signIn(t, me)
					for _, command := range []string{"refresh", "token", "status"} {
						if output, err := me.helps(command); err != nil {
							t.Errorf("oci-oidc-helper %s: %v\n%s", command, err, output)
						}
					}
					if i == 0 { // the runtime in OpenCode sees nothing of the method
						if said := me.sends(opencode.Latest, configured, "/models", s.environ); !strings.Contains(said, domaintest.DefaultModel) {
							t.Errorf("the endpoint answers %s", said)
						}
					}
					if told := me.log(); strings.Contains(told, url.QueryEscape(proxyPassword)) || strings.Contains(told, proxyPassword) {
						t.Errorf("the log tells the proxy's password:\n%s", told)
					}
				})
			}
			if s.holds != nil {
				s.holds(t)
			}
			if s.refused > 0 {
				t.Errorf("%d requests came without the password of the proxy", s.refused)
			}
		})
	}
}

// Certificates are checked whatever the environment says: OpenCode by itself would
// not.
func TestCertificatesAreAlwaysChecked(t *testing.T) {
	t.Parallel()
	company, domain := newCompany(t), domaintest.New(t, domaintest.Options{AutoApprove: true})
	configuration := confidential(t, domain)
	configuration.Endpoint = company.front("localhost", "127.0.0.1", domain.LLMBaseURL)
	me := newConfiguredComputer(t, opencode.Latest, configuration)
	me.Environ = append(me.Environ, "NODE_TLS_REJECT_UNAUTHORIZED=0")
	me.signInAtThePrompt()
	run := me.asks("hi")
	me.isTold(run, "The certificate of localhost", "was not accepted")
	if got := domain.Count(domaintest.Chat) + domain.Count(domaintest.Models); got != 0 {
		t.Errorf("an endpoint that anybody can be got %d requests", got)
	}
}

// configured is the configuration of a method in the network.
func (s *setting) configured(c config) config {
	c.Domain, c.Endpoint = s.config.Domain, s.config.Endpoint
	c.CAFile, c.TLSCert, c.TLSKey = s.config.CAFile, s.config.TLSCert, s.config.TLSKey
	return c
}

var localAddress = regexp.MustCompile(`http://(localhost|127\.0\.0\.1)\S*`)

// signIn signs in with the helper; where it wants a browser, the person has one
// that knows the network.
func (s *setting) signIn(t *testing.T, me *computer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	command := exec.CommandContext(ctx, me.helper, "connect", "--no-browser")
	command.Env, command.Dir = me.Environ, me.Project
	var output text
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	opened := false
	for {
		if address := localAddress.FindString(output.String()); address != "" && !opened {
			opened = true
			s.browses(t, address)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("oci-oidc-helper connect: %v\n%s", err, output.String())
			}
			return
		case <-time.After(pollEvery):
		}
	}
}

func (s *setting) browses(t *testing.T, address string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: runLimit, Transport: s.browser}
	page, err := browser.Get(address)
	if err != nil {
		t.Fatalf("the browser: %v", err)
	}
	_ = page.Body.Close()
	if page.StatusCode != http.StatusOK {
		t.Fatalf("the browser ended on %s: %s", page.Request.URL.Path, page.Status)
	}
}
