package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/cmd/oci-oidc-helper/doctor"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// Each row breaks a working computer in one real way, and runs doctor as a person does. The
// first failure (or, if the row says so, the first warning) must name that cause. The name of
// a row becomes part of a path; rows that run OpenCode have no comma in it, because cmd would
// end the path of a program there.
func TestDoctorNamesTheCause(t *testing.T) {
	underWine := os.Getenv("WINE_RUNS_THIS") != ""
	if underWine {
		t.Run("answers of the domain and the endpoint", func(t *testing.T) { t.Skip("they are the same on every system, and each costs seconds under wine") })
	}
	const warning, failure = doctor.Warning, doctor.Failure
	for _, row := range []struct {
		name  string
		spoil func(*computer)
		state doctor.State
		check string // group, name
		says  string
	}{
		// The configuration.
		{"no configuration", func(c *computer) { c.keys = nil }, failure, "Configuration, file", "No configuration was found"},
		{"unknown key", func(c *computer) { c.keys["client_idd"] = "x" }, failure, "Configuration, file", "did you mean client_id?"},
		{"placeholder", func(c *computer) { c.keys["client_id"] = "<your-client-id>" }, failure, "Configuration, file", "still the placeholder"},
		{"http domain", func(c *computer) { c.keys["domain_url"] = "http://idcs.example.com" }, failure, "Configuration, file", "is http: for idcs.example.com"},
		{"broken text", func(c *computer) { c.raw = `{"domain_url": "https://idcs.example.com"` }, failure, "Configuration, file", "ends before the closing }"},

		{"XDG_CONFIG_HOME relative", func(c *computer) { c.setenv("XDG_CONFIG_HOME", "conf") }, warning, "Environment, directories", "XDG_CONFIG_HOME does not name a directory by its whole path"},
		{"XDG_CONFIG_HOME in the project", func(c *computer) { c.setenv("XDG_CONFIG_HOME", c.path("project/conf")) }, warning, "Environment, directories", "XDG_CONFIG_HOME is in the project"},
		{"XDG_STATE_HOME in the project", func(c *computer) { c.setenv("XDG_STATE_HOME", c.path("project/state")) }, warning, "Environment, directories", "XDG_STATE_HOME is in the project"},
		{"a link to nothing", func(c *computer) {
			c.remove(".config/opencode/" + config.Name)
			disktest.Link(c.T, "nowhere", c.path(".config/opencode/"+config.Name))
			c.unconfigured = true
		}, failure, "Configuration, file", "is a link to what does not exist"},
		{"a directory for the configuration", func(c *computer) {
			c.remove(".config/opencode/" + config.Name)
			c.mkdir(".config/opencode/"+config.Name, 0o700)
			c.unconfigured = true
		}, failure, "Configuration, file", "is a directory, not a file"},
		{"a password in domain_url", func(c *computer) {
			c.keys["domain_url"] = "https://ada:4711#" + domaintest.ConfidentialSecret + "@idcs.example.com"
		}, failure, "Configuration, file", "domain_url: is not a web address: it has an @ after"},

		// The client secret.
		{"secret's file missing", func(c *computer) { c.remove(".secrets/app") }, failure, "Configuration, secret", "does not exist"},
		{"secret's file a directory", func(c *computer) { c.remove(".secrets/app"); c.mkdir(".secrets/app", 0o700) }, failure, "Configuration, secret", "it is a directory, not a file"},
		{"secret unreadable", func(c *computer) { c.unreadable(".secrets/app") }, failure, "Configuration, secret", "cannot be read: permission denied"},
		{"secret empty", func(c *computer) { c.write(".secrets/app", "\n") }, failure, "Configuration, secret", "holds no secret"},
		{"secret a placeholder", func(c *computer) { c.write(".secrets/app", "<the secret>") }, failure, "Configuration, secret", "holds no secret"},
		{"secret in two lines", func(c *computer) { c.write(".secrets/app", "user\nsecret\n") }, failure, "Configuration, secret", "has more than one line"},
		{"secret in quotes", func(c *computer) { c.write(".secrets/app", `"`+domaintest.ConfidentialSecret+`"`) }, failure, "Configuration, secret", "has quotes around it"},
		{"secret with its variable", func(c *computer) { c.write(".secrets/app", "CLIENT_SECRET="+domaintest.ConfidentialSecret) }, failure, "Configuration, secret", "has a name before the secret"},
		{"secret with white space in it", func(c *computer) { c.write(".secrets/app", "a secret\n") }, failure, "Configuration, secret", "white space"},
		{"secret readable by others", func(c *computer) { storetest.SetReaders(c, c.path(".secrets/app"), true) }, warning, "Configuration, secret", "readable by others ("},
		{"secret in the configuration", func(c *computer) { c.keys["client_secret"] = domaintest.ConfidentialSecret }, warning, "Configuration, secret", "stands in the configuration itself"},
		{"secret committed", func(c *computer) { c.commit(".secrets/app") }, failure, "Configuration, git", "is in a git repository"},

		// The disk.
		{"tokens' directory open to others", func(c *computer) { storetest.SetReaders(c, c.path("state/opencode-oci-oidc"), true) }, warning, "Disk, tokens' directory", "open to others ("},
		{"tokens' directory not writable", func(c *computer) { c.unwritable("state/opencode-oci-oidc") }, warning, "Disk, tokens' directory", "cannot be written to"},
		{"a file in the way", func(c *computer) { c.remove("state/opencode-oci-oidc"); c.write("state/opencode-oci-oidc", "") }, failure, "Disk, tokens' directory", "is in the way"},
		{"tokens damaged", func(c *computer) { c.writeTokens("{") }, failure, "Disk, saved tokens", "are damaged"},
		{"tokens of a newer version", func(c *computer) { c.writeTokens(`{"version": 99}`) }, failure, "Disk, saved tokens", "newer version"},
		{"lock held", func(c *computer) { c.holdLock() }, warning, "Disk, lock", "Another process holds the lock"},
		{"log below a file", func(c *computer) { c.write("file", ""); c.keys["log_file"] = "~/file/log" }, warning, "Disk, log", "cannot be written"},

		// The connection to the domain.
		{"domain down", func(c *computer) { c.keys["domain_url"] = "http://" + closedPort() }, failure, "Domain, way", "Nothing is listening at 127.0.0.1"},
		{"no such name", func(c *computer) { c.keys["domain_url"] = "https://idcs-none.invalid" }, failure, "Domain, way", "idcs-none.invalid"},
		{"certificate expired", func(c *computer) { c.intercept(aDayAgo, "127.0.0.1", true) }, failure, "Domain, way", "expired at"},
		{"certificate not valid yet", func(c *computer) { c.intercept(inTwoDays, "127.0.0.1", true) }, failure, "Domain, way", "is not valid before"},
		{"certificate of another name", func(c *computer) { c.intercept(tomorrow, "portal.example.com", true) }, failure, "Domain, way", "is for another name: portal.example.com"},
		{"interception without its CA", func(c *computer) { c.intercept(tomorrow, "127.0.0.1", false) }, failure, "Domain, way", "authority that this machine does not know: CN=Inspecting Company"},
		{"old protocol", func(c *computer) {
			c.overTLS(localLeaf(), &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, true)
		}, failure, "Domain, way", "speaks only an old protocol"},
		{"old ciphers", func(c *computer) {
			c.overTLS(localLeaf(), &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, true)
		}, failure, "Domain, way", "offers only old ciphers"},
		{"weak signature", func(c *computer) {
			leaf := localLeaf()
			leaf.SignatureAlgorithm = x509.ECDSAWithSHA1
			c.overTLS(leaf, &tls.Config{}, true)
		}, failure, "Domain, way", "a signature that is too weak"},
		{"no alternative name", func(c *computer) {
			c.overTLS(&x509.Certificate{Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: aDayAgo, NotAfter: tomorrow}, &tls.Config{}, true)
		}, failure, "Domain, way", "has no subject alternative name"},
		{"client certificate wanted", func(c *computer) {
			c.overTLS(localLeaf(), &tls.Config{ClientAuth: tls.RequireAnyClientCert}, true)
		}, failure, "Domain, way", "wants a client certificate"},
		{"CA file damaged", func(c *computer) {
			c.overTLS(localLeaf(), &tls.Config{}, true)
			text, err := os.ReadFile(c.path("ca.pem"))
			c.check(err)
			c.write("ca.pem", "\n"+strings.Replace(string(text), "M", "!", 1))
		}, failure, "Environment, CA variables", "has a damaged certificate in line 2"},
		{"no TLS", func(c *computer) { c.keys["domain_url"] = strings.Replace(c.server.URL, "http:", "https:", 1) }, failure, "Domain, way", "does not speak TLS"},
		{"proxy wants a password", func(c *computer) { c.proxy(http.StatusProxyAuthRequired) }, failure, "Domain, way", "wants a user name and password"},
		{"proxy forbids the host", func(c *computer) { c.proxy(http.StatusForbidden) }, failure, "Domain, way", "makes no connection to idcs-app.invalid"},
		{"proxy does not take the password", func(c *computer) {
			c.proxy(http.StatusProxyAuthRequired)
			c.setenv("HTTPS_PROXY", strings.Replace(c.env["HTTPS_PROXY"], "//", "//maria:"+url.QueryEscape(domaintest.ConfidentialSecret)+"@", 1))
		}, failure, "Domain, way", "does not accept the user name and password of HTTPS_PROXY"},
		{"the two spellings differ", func(c *computer) {
			if runtime.GOOS == "windows" {
				c.Skip("on Windows the two spellings are one variable")
			}
			c.setenv("NO_PROXY", "127.0.0.1")
			c.setenv("no_proxy", "localhost")
		}, warning, "Environment, proxy variables", "NO_PROXY and no_proxy differ"},
		{"a # in the proxy's password", func(c *computer) { c.behindProxy("http://ada:4711#" + domaintest.ConfidentialSecret + "@127.0.0.1:1") }, failure, "Environment, proxy variables", "HTTPS_PROXY is malformed"},
		{"a proxy among what needs none", func(c *computer) {
			c.behindProxy("http://" + closedPort())
			c.setenv("NO_PROXY", "localhost,http://ada:"+domaintest.ConfidentialSecret+"@proxy.example")
		}, failure, "Environment, proxy variables", "NO_PROXY is malformed"},
		{"hosts without a comma", func(c *computer) { c.setenv("NO_PROXY", "localhost idp.example.com") }, warning, "Environment, proxy variables", "entries without a comma"},
		{"hosts as Java separates them", func(c *computer) { c.setenv("NO_PROXY", "localhost|idp.example.com") }, warning, "Environment, proxy variables", "entries without a comma"},
		{"a host with a final dot", func(c *computer) { c.setenv("NO_PROXY", "idp.example.com.,localhost") }, warning, "Environment, proxy variables", "a dot at the end of a name"},
		{"a pattern for other hosts", func(c *computer) { c.setenv("NO_PROXY", "localhost,192.168.*") }, warning, "Environment, proxy variables", "NO_PROXY has patterns that OpenCode does not read"},
		{"ALL_PROXY alone", func(c *computer) { c.setenv("ALL_PROXY", "http://"+closedPort()) }, warning, "Environment, proxy variables", "ALL_PROXY is set, which neither"},
		{"hosts in quotes", func(c *computer) { c.setenv("NO_PROXY", `"localhost,idp.example.com"`) }, warning, "Environment, proxy variables", "or quotes"},
		{"patterns for hosts", func(c *computer) { c.setenv("NO_PROXY", "10.0.0.0/8,*.example.com") }, warning, "Environment, proxy variables", "patterns that OpenCode does not read"},
		{"cut in the handshake", func(c *computer) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			c.check(err)
			c.Cleanup(func() { _ = listener.Close() })
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = conn.Read(make([]byte, 4096))
					_ = conn.Close()
				}
			}()
			c.keys["domain_url"] = "https://" + listener.Addr().String()
		}, failure, "Domain, way", "cut the connection in the TLS handshake"},
		{"SOCKS proxy", func(c *computer) { c.setenv("HTTPS_PROXY", "socks5://"+closedPort()) }, warning, "Environment, proxy variables", "OpenCode cannot use"},
		{"ca_file missing", func(c *computer) { c.keys["ca_file"] = "none.pem" }, failure, "Configuration, certificates", "none.pem, which does not exist"},
		{"client certificate without its key", func(c *computer) {
			c.write("client.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
			c.keys["tls_client_cert"] = c.path("client.pem")
		}, failure, "Configuration, certificates", "client.pem, which has a damaged certificate in line 1"},
		{"proxy down", func(c *computer) { c.behindProxy("http://" + closedPort()) }, failure, "Domain, way", "Nothing is listening at the proxy"},
		{"proxy misspelt", func(c *computer) { c.behindProxy("http://") }, failure, "Environment, proxy variables", "HTTPS_PROXY is malformed: it has no host"},
		{"PAC file for a proxy", func(c *computer) { c.behindProxy("http://wpad.invalid/wpad.dat") }, failure, "Environment, proxy variables", "it names a PAC file"},
		{"proxy with a Windows user", func(c *computer) {
			c.behindProxy(`http://CORP\maria:` + domaintest.ConfidentialSecret + "@127.0.0.1:1")
		}, failure, "Environment, proxy variables", `has an @ after a /, \, ? or #`},
		{"CA file missing", func(c *computer) { c.setenv("SSL_CERT_FILE", "/none/ca.pem") }, failure, "Environment, CA variables", "SSL_CERT_FILE names /none/ca.pem, which does not exist"},
		{"CA directory missing", func(c *computer) {
			if runtime.GOOS == "windows" {
				c.Skip("Windows has a store of CAs, and no SSL_CERT_DIR")
			}
			c.setenv("SSL_CERT_DIR", "/none/certs")
		}, failure, "Environment, CA variables", "SSL_CERT_DIR names /none/certs, where there is no directory"},
		{"CA file empty", func(c *computer) { c.write("ca.pem", ""); c.setenv("NODE_EXTRA_CA_CERTS", c.path("ca.pem")) }, failure, "Environment, CA variables", "holds no certificate"},

		// The domain.
		{"wrong domain", func(c *computer) { c.keys["domain_url"] = strings.TrimSuffix(c.server.LLMBaseURL, "/v1") }, failure, "Domain, discovery", "does not seem to be an identity domain"},
		{"captive portal", func(c *computer) {
			c.server.FailAlways(domaintest.Discovery, domaintest.Fault{Kind: domaintest.Portal})
		}, failure, "Domain, discovery", "is not an identity domain's"},
		{"domain in trouble", func(c *computer) {
			c.server.FailAlways(domaintest.Discovery, domaintest.Fault{Kind: domaintest.Unavailable})
		}, failure, "Domain, discovery", "has a fault of its own"},
		{"domain overloaded", func(c *computer) {
			c.server.FailAlways(domaintest.Discovery, domaintest.Fault{Kind: domaintest.Throttle})
		}, failure, "Domain, discovery", "asked too often"},
		{"clock two hours behind", func(c *computer) { c.server.Clock.Advance(2 * time.Hour) }, failure, "Domain, clocks", "clock is 2h0m0s behind the domain's"},
		{"clock two hours ahead", func(c *computer) { c.server.Clock.Advance(-2 * time.Hour) }, failure, "Domain, clocks", "clock is 2h0m0s ahead of the domain's"},
		{"wrong secret", func(c *computer) { c.write(".secrets/app", "renewed") }, failure, "Domain, application", "invalid_client"},
		{"wrong client", func(c *computer) { c.keys["client_id"] = "somebody" }, failure, "Domain, application", "does not accept the application"},
		{"a refusal in the domain's own form", func(c *computer) {
			c.front(httptest.NewServer, map[string]http.HandlerFunc{
				// Without endpoints in the document, those of the front server are used.
				"/.well-known/openid-configuration": func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, `{"issuer":"https://identity.oraclecloud.com/","token_endpoint":7}`)
				},
				"/oauth2/v1/token": func(w http.ResponseWriter, _ *http.Request) {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, `{"code":"invalid_request","description":"client is not allowed"}`)
				},
			})
		}, failure, "Domain, application", "client is not allowed"},
		{"unregistered redirect", func(c *computer) { c.keys["redirect_uri"] = domaintest.FreeRedirect() + "/other" }, failure, "Domain, redirect and scope", "/callback/other is not registered"},
		{"localhost is not 127.0.0.1", func(c *computer) {
			c.keys["redirect_uri"] = strings.Replace(c.keys["redirect_uri"], "localhost", "127.0.0.1", 1)
		}, failure, "Domain, redirect and scope", "is not registered"},
		{"wrong scope", func(c *computer) { c.keys["scope"] += "t" }, failure, "Domain, redirect and scope", "does not know the scope"},
		{"no offline_access", func(c *computer) { c.keys["scope"] = "openid " + domaintest.DefaultScope }, warning, "Domain, refresh", "lacks offline_access"},
		{"no refresh grant", func(c *computer) {
			c.server.Change(func(o *domaintest.Options) { o.Clients[0].NoRefreshGrant = true })
			c.connect = true
		}, warning, "Domain, refresh", "gave no refresh token"},
		{"no refresh grant, not signed in", func(c *computer) {
			c.server.Change(func(o *domaintest.Options) { o.Clients[0].NoRefreshGrant = true })
			c.remove("state/opencode-oci-oidc")
		}, warning, "Domain, refresh", "its Refresh token grant is off"},
		{"no token refresh for the resource", func(c *computer) {
			c.server.Change(func(o *domaintest.Options) { o.Resources[0].NoTokenRefresh = true })
			c.connect = true
		}, warning, "Domain, refresh", "gave no refresh token"},
		{"no device flow", func(c *computer) {
			c.keys["client_id"], c.keys["auth_method"] = domaintest.MobileClient, "mobile_app"
			delete(c.keys, "client_secret")
			c.server.AllowRedirect(domaintest.MobileClient, c.keys["redirect_uri"])
			c.front(httptest.NewServer, map[string]http.HandlerFunc{"/oauth2/v1/device": http.NotFound})
		}, failure, "Domain, device code", "has no device flow"},

		// The session.
		{"port taken", func(c *computer) { c.takePort() }, failure, "Session, redirect port", "is used by another program"},
		{"not signed in", func(c *computer) { c.remove("state/opencode-oci-oidc") }, failure, "Session, sign-in", "You are not signed in"},
		{"session ended", func(c *computer) { c.server.EndSessions(); c.expire() }, failure, "Session, sign-in", "or your session has ended"},

		// The endpoint.
		{"endpoint down", func(c *computer) { c.keys["llm_base_url"] = "http://" + closedPort() + "/v1" }, failure, "Endpoint, reachable", "Nothing is listening at 127.0.0.1"},
		{"endpoint in trouble", func(c *computer) {
			c.server.FailAlways(domaintest.Models, domaintest.Fault{Kind: domaintest.Unavailable})
		}, failure, "Endpoint, reachable", "it answers 503"},
		{"endpoint resets", func(c *computer) { c.server.FailAlways(domaintest.Models, domaintest.Fault{Kind: domaintest.Reset}) }, failure, "Endpoint, reachable", "cut the connection"},
		{"endpoint a portal", func(c *computer) { c.server.FailAlways(domaintest.Models, domaintest.Fault{Kind: domaintest.Portal}) }, failure, "Endpoint, reachable", "answers with a web page"},
		{"endpoint moved", func(c *computer) {
			moved := httptest.NewServer(http.RedirectHandler("https://new.example.com/v1/models?key=x", http.StatusTemporaryRedirect))
			c.Cleanup(moved.Close)
			c.keys["llm_base_url"] = moved.URL + "/v1"
		}, failure, "Endpoint, reachable", "leads elsewhere: to https://new.example.com."},
		{"wrong path of the endpoint", func(c *computer) { c.keys["llm_base_url"] = strings.TrimSuffix(c.server.LLMBaseURL, "/v1") }, warning, "Endpoint, reachable", "has no list of models"},
		{"endpoint with the path of one request", func(c *computer) { c.keys["llm_base_url"] = c.server.LLMBaseURL + "/chat/completions" }, failure, "Configuration, file", "ends in /chat/completions, which OpenCode adds by itself"},
		{"endpoint with the path of its list", func(c *computer) { c.keys["llm_base_url"] = c.server.LLMBaseURL + "/models" }, warning, "Endpoint, reachable", "/v1/models has no list of models at /models"},
		{"wrong audience", func(c *computer) { c.keys["scope"] = "openid offline_access"; c.connect = true }, failure, "Endpoint, token accepted", "meant for another audience"},
		{"a 403 about the token", func(c *computer) {
			expired := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("WWW-Authenticate", "Token "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, `{"message":"The incoming token has expired"}`)
			}))
			c.Cleanup(expired.Close)
			c.keys["llm_base_url"] = expired.URL + "/v1"
			c.connect = true
		}, failure, "Endpoint, token accepted", "rejects a valid token (403)."},
		{"a refusal that is not about the token", func(c *computer) {
			disabled := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"error":{"message":"Budget has been exceeded"}}`)
			}))
			c.Cleanup(disabled.Close)
			c.keys["llm_base_url"] = disabled.URL + "/v1"
		}, failure, "Endpoint, token accepted", "but not because of the token: Budget has been exceeded"},
		{"token revoked", func(c *computer) { c.server.RevokeAccessTokens() }, failure, "Endpoint, token accepted", "rejects a valid token"},

		// OpenCode.
		{"an early OpenCode 2", func(c *computer) { c.program("opencode", "echo 2.0.3") }, failure, "OpenCode, program", "since 2.0.4"},
		{"OpenCode 3", func(c *computer) { c.program("opencode", "echo 3.0.0") }, failure, "OpenCode, program", "does not run plugins of this kind"},
		{"OpenCode 2 without the plugin", func(c *computer) {
			c.program("opencode", "echo 2.0.14")
			c.openCode(`{"plugins": ["other@1.0.0"]}`)
		}, warning, "OpenCode, plugin", "no configuration has it under \"plugins\""},
		{"OpenCode 2 with the plugin not pinned", func(c *computer) {
			c.program("opencode", "echo 2.0.14")
			c.openCode(`{"plugins": [{"package": "opencode-oci-oidc", "options": {}}]}`)
		}, warning, "OpenCode, plugin", "without a version"},
		{"OpenCode 2 with its base URL elsewhere", func(c *computer) {
			c.program("opencode", "echo 2.0.14")
			c.openCode(`{"plugins": ["opencode-oci-oidc@0.1.0"], "providers": {"oci-oidc": {"models": {"m": {}}, "settings": {"baseURL": "https://else.example.com/v1"}}}}`)
		}, failure, "OpenCode, models", "at another origin"},
		{"plugin where OpenCode 2 alone looks", func(c *computer) { c.openCode(`{"plugins": ["opencode-oci-oidc@0.1.0"]}`) }, warning, "OpenCode, plugin", "does not load the plugin"},
		{"OpenCode missing", func(c *computer) { c.remove("bin") }, warning, "OpenCode, program", "no opencode on the PATH"},
		{"plugin not entered", func(c *computer) { c.openCode(`{"plugin": ["other@1.0.0"]}`) }, warning, "OpenCode, plugin", "does not load the plugin"},
		{"plugin not pinned", func(c *computer) { c.openCode(`{"plugin": ["opencode-oci-oidc"]}`) }, warning, "OpenCode, plugin", "without a version"},
		{"plugin at latest", func(c *computer) { c.openCode(`{"plugin": [["opencode-oci-oidc@latest", {}]]}`) }, warning, "OpenCode, plugin", "without a version"},
		{"plugin's files gone", func(c *computer) { c.openCode(`{"plugin": ["file:///none/opencode-oci-oidc/npm-shim"]}`) }, failure, "OpenCode, plugin", "does not exist"},
		{"OpenCode's configuration broken", func(c *computer) { c.openCode("{\n\"plugin\": [,\n}") }, failure, "OpenCode, plugin", "cannot be read, at or before line 3"},
		{"first start to come", func(c *computer) { c.remove(".config/opencode/node_modules") }, warning, "OpenCode, next start", "has not installed its @opencode-ai/plugin"},
		{"first start as it is locked for another package", func(c *computer) {
			c.write(".config/opencode/package-lock.json", `{"packages": {"": {"dependencies": {"zod": "4.1.8"}}}}`)
		}, warning, "OpenCode, next start", "not yet in "},
		{"first start with an .npmrc that npm does not read", func(c *computer) {
			c.remove(".config/opencode/node_modules")
			c.write("package.json", "{}")
			c.write(".config/opencode/.npmrc", "fetch-retries=0")
		}, warning, "OpenCode, next start", "more than a minute"},
		{"first start in a second directory", func(c *computer) { c.mkdir(".opencode", 0o700) }, warning, "OpenCode, next start", ".opencode"},
		{"another provider", func(c *computer) {
			c.openCode(`{"plugin": ["opencode-oci-oidc@0.1.0"], "provider": {"oci": {"models": {"m": {}}}}}`)
		}, warning, "OpenCode, models", "only for oci"},
		{"provider disabled", func(c *computer) {
			c.openCode(`{"plugin": ["opencode-oci-oidc@0.1.0"], "provider": {"oci-oidc": {"models": {"m": {}}}}, "enabled_providers": ["oci-oidc"], "disabled_providers": ["openai", "oci-oidc"]}`)
		}, warning, "OpenCode, models", "opencode.jsonc hides the provider oci-oidc: it is in disabled_providers"},
		{"provider not among those enabled", func(c *computer) {
			c.openCode(`{"plugin": ["opencode-oci-oidc@0.1.0"], "provider": {"oci-oidc": {"models": {"m": {}}}}, "enabled_providers": ["openai"]}`)
		}, warning, "OpenCode, models", "hides the provider oci-oidc: it is not in enabled_providers"},
		{"provider enabled by the project, misspelt model", func(c *computer) { // the project's lists replace those of the person
			c.openCode(`{"plugin": ["opencode-oci-oidc@0.1.0"], "model": "oci-oidc/n", "provider": {"oci-oidc": {"models": {"m": {}}}}, "enabled_providers": ["openai"], "disabled_providers": ["oci-oidc"]}`)
			c.write("opencode.json", `{"enabled_providers": ["oci-oidc"], "disabled_providers": []}`)
		}, failure, "OpenCode, models", "oci-oidc/n is not among"},
		{"model misspelt", func(c *computer) {
			c.openCode(`{"plugin": ["opencode-oci-oidc@0.1.0"], "model": "oci-oidc/n", "provider": {"oci-oidc": {"models": {"m": {}}}}}`)
		}, failure, "OpenCode, models", "oci-oidc/n is not among"},
		{"base URL elsewhere", func(c *computer) {
			c.openCode(`{"plugin": ["opencode-oci-oidc@0.1.0"], "provider": {"oci-oidc": {"models": {"m": {}}, "options": {"baseURL": "https://else.example.com/v1"}}}}`)
		}, failure, "OpenCode, models", "at another origin"},
	} {
		group, _, _ := strings.Cut(row.check, ", ")
		if underWine && (group == "Endpoint" || group == "Domain" && row.check != "Domain, way") { // an answer, which every system reads alike
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			if underWine && group != "OpenCode" { // to start cmd for its version would take as long as everything else
				c.remove("bin")
			}
			row.spoil(c)
			if !c.unconfigured {
				c.configure()
			}
			if c.connect {
				c.remove("state/opencode-oci-oidc")
				c.mustRun("connect")
			}
			report, code := c.examine()
			for _, finding := range report.Findings {
				if finding.State != row.state {
					continue
				}
				text := finding.Message + "\n" + strings.Join(finding.Details, "\n")
				if got := finding.Group + ", " + finding.Check; got != row.check || !strings.Contains(text, row.says) {
					t.Errorf("the first %s is %s: %s\nnot %s: %s", row.state, got, text, row.check, row.says)
				}
				if finding.Hint == "" {
					t.Errorf("%q says not what to do", finding.Message)
				}
				if (code != 0) != (report.Problem() != nil) || row.state == failure && code == 0 {
					t.Errorf("exit code %d", code)
				}
				return
			}
			t.Errorf("there is no %s: %+v", row.state, report.Findings)
		})
	}
}

// If everything works, doctor reports no problem, for either kind of application.
func TestDoctorOfAHealthyComputer(t *testing.T) {
	for _, method := range []config.AuthMethod{config.ConfidentialApp, config.MobileApp} {
		c := newComputer(t)
		if method == config.MobileApp {
			c.keys["client_id"], c.keys["auth_method"] = domaintest.MobileClient, "mobile_app"
			delete(c.keys, "client_secret")
			c.server.AllowRedirect(domaintest.MobileClient, c.keys["redirect_uri"])
			c.configure()
			c.mustRun("connect")
		}
		before := c.server.Count(domaintest.Token)
		report, code := c.examine()
		if code != 0 {
			t.Errorf("%s: exit code %d", method, code)
		}
		for check, says := range map[string]string{"secret": ", readable by you alone", "tokens' directory": ", yours alone"} {
			if check == "secret" && method == config.MobileApp {
				continue
			}
			if i := slices.IndexFunc(report.Findings, func(f doctor.Finding) bool { return f.Check == check }); i < 0 || !strings.HasSuffix(report.Findings[i].Message, says) {
				t.Errorf("%s: no %s says %q: %+v", method, check, says, report.Findings)
			}
		}
		for _, finding := range report.Findings {
			if _, noGit := exec.LookPath("git"); noGit != nil && finding.Check == "git" && finding.State == doctor.Skipped {
				continue
			}
			if finding.State != doctor.OK {
				t.Errorf("%s: %+v", method, finding)
			}
		}
		// The session has not changed: no refresh token was used.
		c.mustRun("refresh")
		for _, request := range c.server.Requests(domaintest.Token)[before:] {
			if grant := request.Form.Get("grant_type"); grant != "refresh_token" && request.Status == http.StatusOK {
				t.Errorf("%s: the doctor used a %s", method, grant)
			}
		}
	}
}

// If OpenCode starts quickly or has nothing to install, doctor does not warn about the first
// start.
func TestDoctorDoesNotWarnOfAShortStart(t *testing.T) {
	for name, spoil := range map[string]func(*computer){
		"retries off beside the configuration": func(c *computer) { c.write(".config/opencode/.npmrc", "fetch-timeout=10000\nfetch-retries = 0\n") },
		"retries off in the home":              func(c *computer) { c.write(".npmrc", "fetch-retries=0") },
		"retries off in the environment":       func(c *computer) { c.setenv("NPM_CONFIG_FETCH_RETRIES", "0") },
		"offline":                              func(c *computer) { c.setenv("npm_config_offline", "true") },
		"as OpenCode 1.2 leaves it": func(c *computer) {
			c.write(".config/opencode/package.json", `{"dependencies": {"@opencode-ai/plugin": "1.2.20"}}`)
			c.write(".config/opencode/bun.lock", "{}")
			c.mkdir(".config/opencode/node_modules", 0o700)
		},
		"not writable": func(c *computer) { c.unwritable(".config/opencode") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			c.remove(".config/opencode/node_modules")
			c.remove(".config/opencode/package-lock.json")
			spoil(c)
			report, _ := c.examine()
			for _, finding := range report.Findings {
				if finding.Check == "next start" && finding.State != doctor.OK {
					t.Errorf("%+v", finding)
				}
			}
		})
	}
}

// A computer works until a test breaks something. Files are named by their paths below its
// home.
type computer struct {
	*testing.T
	home    string
	server  *domaintest.Server
	keys    map[string]string // of the configuration; nil for none
	raw     string            // the configuration's text instead
	env     map[string]string
	connect bool     // sign in again after it was broken
	wrap    []string // a command that runs the helper

	unconfigured bool // the configuration is not a file with keys
}

func newComputer(t *testing.T) *computer {
	home := t.TempDir()
	c := &computer{T: t, home: home, env: map[string]string{
		"HOME": home, "USERPROFILE": home, "LOCALAPPDATA": home, "APPDATA": home, "XDG_STATE_HOME": filepath.Join(home, "state"),
		"GORACE":          raceOptions,
		"XDG_CONFIG_HOME": filepath.Join(home, ".config"), "BROWSER": "browser",
		"PATH":   filepath.Join(home, "bin") + string(os.PathListSeparator) + helperDir(t) + string(os.PathListSeparator) + withoutOpenCode(os.Getenv("PATH")),
		"TMPDIR": os.TempDir(), "SystemRoot": os.Getenv("SystemRoot"),
	}}
	c.server = domaintest.New(t, domaintest.Options{
		AutoApprove: true, AutoApproveDevices: true,
		// A copy, because a test may change the clients.
		Clients: []domaintest.Client{
			{ID: domaintest.ConfidentialClient, Secret: domaintest.ConfidentialSecret},
			{ID: domaintest.MobileClient},
		},
		Resources: []domaintest.Resource{{Audience: "https://llm.example.com", Scopes: []string{"/chat"}}},
	})
	redirect := domaintest.FreeRedirect()
	c.server.AllowRedirect(domaintest.ConfidentialClient, redirect)
	c.keys = map[string]string{
		"domain_url": c.server.URL, "llm_base_url": c.server.LLMBaseURL, "redirect_uri": redirect,
		"client_id": domaintest.ConfidentialClient, "client_secret": "{file:~/.secrets/app}",
		"scope": "openid offline_access " + domaintest.DefaultScope,
	}
	c.write(".secrets/app", domaintest.ConfidentialSecret+"\n")
	c.program("opencode", "echo 1.18.33")
	c.openCode(`{"plugin": ["opencode-oci-oidc@0.1.0"], "provider": {"oci-oidc": {"models": {"m": {}}}}} // fine`)
	c.write(".config/opencode/node_modules/.package-lock.json", "{}")
	c.write(".config/opencode/package-lock.json", `{"packages": {"": {"dependencies": {"@opencode-ai/plugin": "1.18.33"}}}}`)
	c.configure()
	c.signIn()
	return c
}

// signIn saves tokens as a sign-in would.
func (c *computer) signIn() {
	issued, err := c.server.Issue(domaintest.ConfidentialClient, c.keys["scope"])
	c.check(err)
	now := time.Now()
	_, err = c.tokenFile().Save(tokens.Tokens{
		Access: secret.New(issued.AccessToken), Type: issued.TokenType, Refresh: secret.New(issued.RefreshToken),
		IssuedAt: now, ExpiresAt: now.Add(time.Duration(issued.ExpiresIn) * time.Second), Subject: domaintest.DefaultUser.Name,
	})
	c.check(err)
}

// helperDir is where testscript keeps this test's binary under the helper's name.
func helperDir(t *testing.T) string {
	path, err := exec.LookPath("oci-oidc-helper")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(path)
}

// withoutOpenCode is a PATH without the OpenCode of the person who runs the tests.
func withoutOpenCode(path string) string {
	var dirs []string
	for _, dir := range filepath.SplitList(path) {
		if _, err := os.Stat(filepath.Join(dir, "opencode")); err != nil {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, string(os.PathListSeparator))
}

func (c *computer) path(name string) string { return filepath.Join(c.home, filepath.FromSlash(name)) }

func (c *computer) check(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *computer) write(name, text string) {
	c.check(os.MkdirAll(filepath.Dir(c.path(name)), 0o700))
	c.check(os.WriteFile(c.path(name), []byte(text), 0o600))
}

func (c *computer) remove(name string)                  { c.check(os.RemoveAll(c.path(name))) }
func (c *computer) mkdir(name string, mode os.FileMode) { c.check(os.MkdirAll(c.path(name), mode)) }
func (c *computer) setenv(name, value string)           { c.env[name] = value }

func (c *computer) chmod(name string, mode os.FileMode) {
	if runtime.GOOS == "windows" {
		c.Skip("Windows has no such modes")
	}
	c.check(os.Chmod(c.path(name), mode))
}

// unreadable takes away the permission to read, which does not stop root.
func (c *computer) unreadable(name string) {
	c.chmod(name, 0)
	if _, err := os.ReadFile(c.path(name)); err == nil {
		c.Skip("root reads every file")
	}
}

func (c *computer) unwritable(name string) {
	c.chmod(name, 0o500)
	c.Cleanup(func() { _ = os.Chmod(c.path(name), 0o700) })
	if file, err := os.CreateTemp(c.path(name), ""); err == nil {
		_ = file.Close()
		_ = os.Remove(file.Name())
		c.Skip("root writes everywhere")
	}
}

// program puts a shell script on the PATH, which on Windows is one for cmd.
func (c *computer) program(name, script string) {
	if runtime.GOOS == "windows" {
		c.write("bin/"+name+".cmd", "@"+script+"\r\n")
		return
	}
	c.write("bin/"+name, "#!/bin/sh\n"+script+"\n")
	c.chmod("bin/"+name, 0o755)
}

func (c *computer) openCode(text string) { c.write(".config/opencode/opencode.jsonc", text) }

func (c *computer) configure() {
	text := []byte(c.raw)
	if c.keys == nil {
		c.remove(".config/opencode/" + config.Name)
		return
	}
	if c.raw == "" {
		var err error
		text, err = json.MarshalIndent(c.keys, "", "  ")
		c.check(err)
	}
	c.write(".config/opencode/"+config.Name, string(text))
}

// commit puts the directory of a file into a git repository, with it.
func (c *computer) commit(name string) {
	if _, err := exec.LookPath("git"); err != nil {
		c.Skip("there is no git")
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", filepath.Base(name)}} {
		command := exec.Command("git", append([]string{"-C", filepath.Dir(c.path(name))}, args...)...)
		command.Env = c.environ()
		if output, err := command.CombinedOutput(); err != nil {
			c.Fatalf("%v: %s", err, output)
		}
	}
}

// tokenFile is where the session of the configuration is saved.
func (c *computer) tokenFile() *tokens.File {
	places := store.Places{Home: c.home, ConfigDirs: []string{c.path(".config/opencode")}, StateDir: c.path("state/opencode-oci-oidc")}
	config, err := config.Load(places, c.home)
	c.check(err)
	return tokens.Open(places, config)
}

// savedTokens are those on the disk.
func (c *computer) savedTokens() tokens.Tokens {
	c.Helper()
	saved, _, err := c.tokenFile().Load()
	c.check(err)
	return saved
}

func (c *computer) writeTokens(text string) {
	c.check(os.WriteFile(c.tokenFile().Path(), []byte(text), 0o600))
}

func (c *computer) holdLock() {
	unlock, ok, err := c.tokenFile().TryLock()
	if !ok {
		c.Fatal("the lock is not free", err)
	}
	c.Cleanup(unlock)
}

// expire replaces the saved access token by an expired one.
func (c *computer) expire() {
	file := c.tokenFile()
	tokens, _, err := file.Load()
	c.check(err)
	tokens.Access = secret.New("over")
	tokens.IssuedAt, tokens.ExpiresAt = tokens.IssuedAt.Add(-2*time.Hour), tokens.IssuedAt.Add(-time.Hour)
	_, err = file.Save(tokens)
	c.check(err)
}

// takePort listens on the port of the redirect URI.
func (c *computer) takePort() {
	u, err := url.Parse(c.keys["redirect_uri"])
	c.check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:"+u.Port())
	c.check(err)
	c.Cleanup(func() { _ = listener.Close() })
}

// closedPort returns a loopback address where nothing is listening.
func closedPort() string { return fmt.Sprintf("127.0.0.1:%d", domaintest.FreePort()) }

// front puts a server in front of the domain that answers some paths itself.
func (c *computer) front(start func(http.Handler) *httptest.Server, instead map[string]http.HandlerFunc) {
	domain, err := url.Parse(c.server.URL)
	c.check(err)
	behind := httputil.NewSingleHostReverseProxy(domain)
	server := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if own, ok := instead[r.URL.Path]; ok {
			own(w, r)
			return
		}
		behind.ServeHTTP(w, r)
	}))
	c.Cleanup(server.Close)
	c.keys["domain_url"] = server.URL
}

// The ends of two validity periods of a day.
var (
	aDayAgo   = time.Now().Add(-24 * time.Hour)
	tomorrow  = time.Now().Add(24 * time.Hour)
	inTwoDays = time.Now().Add(48 * time.Hour)
)

// intercept puts a TLS server in front of the domain, with a certificate of a company's CA that
// the computer may or may not trust.
func (c *computer) intercept(notAfter time.Time, host string, known bool) {
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: host}, NotBefore: notAfter.Add(-24 * time.Hour), NotAfter: notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		leaf.IPAddresses = []net.IP{ip}
	} else {
		leaf.DNSNames = []string{host}
	}
	c.overTLS(leaf, &tls.Config{}, known)
}

// localLeaf is a valid certificate.
func localLeaf() *x509.Certificate {
	return &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: aDayAgo, NotAfter: tomorrow}
}

// overTLS puts a TLS server in front of the domain.
func (c *computer) overTLS(leaf *x509.Certificate, config *tls.Config, known bool) {
	if runtime.GOOS != "linux" && known {
		c.Skip("only here can a CA be made known by a variable")
	}
	ca, key := certificate(c.T, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Inspecting Company"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: aDayAgo.Add(-24 * time.Hour), NotAfter: inTwoDays,
	}, nil, nil)
	leaf, leafKey := certificate(c.T, leaf, ca, key)
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: leafKey}}
	c.front(func(handler http.Handler) *httptest.Server {
		server := httptest.NewUnstartedServer(handler)
		server.TLS = config
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		return server
	}, nil)
	if known {
		c.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})))
		c.setenv("SSL_CERT_FILE", c.path("ca.pem"))
	}
}

// certificate signs a certificate, with its own key if there is no parent.
func certificate(t *testing.T, template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

// proxy starts a proxy that answers every CONNECT with the status.
func (c *computer) proxy(status int) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			status = http.StatusMethodNotAllowed
		}
		if status == http.StatusProxyAuthRequired {
			w.Header().Set("Proxy-Authenticate", `Basic realm="company"`)
		}
		http.Error(w, http.StatusText(status), status)
	}))
	c.Cleanup(proxy.Close)
	c.behindProxy(proxy.URL)
}

// behindProxy makes the domain reachable only through a proxy.
func (c *computer) behindProxy(address string) {
	c.keys["domain_url"] = "https://idcs-app.invalid"
	c.setenv("HTTPS_PROXY", address)
}

func (c *computer) environ() []string {
	var env []string
	if dir := os.Getenv("GOCOVERDIR"); dir != "" { // or go test -cover is a warning on stderr
		env = append(env, "GOCOVERDIR="+dir)
	}
	for name, value := range maps.All(c.env) {
		env = append(env, name+"="+value)
	}
	return env
}

// helper is the helper as a person runs it, in a directory without a project.
func (c *computer) helper(args ...string) *exec.Cmd {
	c.mkdir("project", 0o700)
	words := slices.Concat(c.wrap, []string{filepath.Join(helperDir(c.T), "oci-oidc-helper")}, args)
	command := exec.Command(words[0], words[1:]...)
	command.Dir = c.path("project")
	command.Env = c.environ()
	return command
}

// run runs the helper and waits for its end.
func (c *computer) run(args ...string) (stdout, stderr string, code int) {
	command := c.helper(args...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	_ = command.Run()
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

func (c *computer) mustRun(args ...string) string {
	c.Helper()
	stdout, stderr, code := c.run(args...)
	if code != 0 {
		c.Fatalf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

// examine runs the doctor, and looks for secrets in all that it says.
func (c *computer) examine() (report doctor.Report, code int) {
	c.Helper()
	bundle := c.path("bundle.txt")
	stdout, stderr, code := c.run("doctor", "--json", "--bundle", bundle)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		c.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	written, err := os.ReadFile(bundle)
	c.check(err)
	for _, text := range []string{stdout, stderr, string(written)} {
		for _, shape := range []string{domaintest.ConfidentialSecret, "AQIDBA", "eyJ"} {
			if strings.Contains(text, shape) {
				c.Errorf("the doctor tells a secret (%s…):\n%s", shape, text)
			}
		}
	}
	for _, private := range []string{c.home, domaintest.DefaultUser.Name, "client_id\": \"" + domaintest.ConfidentialClient} {
		if strings.Contains(string(written), private) {
			c.Errorf("the bundle tells %s:\n%s", private, written)
		}
	}
	return report, code
}

func TestDoctorNamesTheProgramAtThePort(t *testing.T) {
	c := newComputer(t)
	c.takePort()
	stdout, _, _ := c.run("doctor")
	if runtime.GOOS == "linux" && !strings.Contains(stdout, fmt.Sprintf("(process %d)", os.Getpid())) {
		t.Errorf("the doctor does not say who holds the port:\n%s", stdout)
	}
}
