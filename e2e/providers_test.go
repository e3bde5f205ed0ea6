package e2e

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// The providers that nobody here wrote, each asked by the helper itself: sign-in,
// a strict check of the ID token, refresh with rotation, sign-out. OpenCode's part
// is the same with every provider.
func TestProviders(t *testing.T) {
	t.Parallel()
	zitadel := func(t *testing.T, redirect string) string {
		return builtProvider(t, "zitadel", map[string]string{"redirect": redirect})
	}
	fosite := func(t *testing.T, redirect string) string {
		return builtProvider(t, "fosite", map[string]string{"redirect": redirect, "key": publicKey(t)})
	}
	certified := func(t *testing.T, redirect string) string {
		code := []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}
		key := func(id string, grants []string) map[string]any {
			return map[string]any{"client_id": id, "token_endpoint_auth_method": "private_key_jwt", "jwks": map[string]any{"keys": []any{publicJWK()}},
				"application_type": "native", "redirect_uris": redirects(grants, redirect), "response_types": types(grants), "grant_types": grants}
		}
		p := &provider{}
		p.start(t, map[string]any{"user": map[string]string{"name": personName, "password": personPassword}, "clients": []any{
			map[string]any{"client_id": "public", "token_endpoint_auth_method": "none", "application_type": "native",
				"redirect_uris": []string{redirect}, "response_types": []string{"code"}, "grant_types": code},
			key("key", code), key("service", []string{"client_credentials"}),
		}})
		return p.url
	}
	withKey := map[string]any{"auth_method": "private_key_jwt", "client_id": "key", "client_key": "{file:~/key.pem}", "client_key_id": "alias"}
	for _, test := range []struct {
		name  string
		start func(t *testing.T, redirect string) string
		flow  string // of the helper; "" for none
		user  string
		pass  string
		keys  map[string]any
	}{
		{"oidc-provider, public, browser", certified, "browser", personName, personPassword, map[string]any{"auth_method": "public_app", "client_id": "public"}},
		{"oidc-provider, key, browser", certified, "browser", personName, personPassword, withKey},
		{"oidc-provider, key, device", certified, "device", personName, personPassword, withKey},
		{"oidc-provider, key, nobody", certified, "", "", "", map[string]any{"auth_method": "client_credentials", "client_id": "service",
			"client_key": "{file:~/key.pem}", "client_key_id": "alias", "scope": nil, "strict_id_token": nil}},
		{"zitadel, public, browser", zitadel, "browser", "test-user@localhost", "verysecure", map[string]any{"auth_method": "public_app", "client_id": "public"}},
		{"zitadel, confidential, browser", zitadel, "browser", "test-user@localhost", "verysecure", map[string]any{"client_id": "confidential", "client_secret": "{env:CLIENT_SECRET}"}},
		{"zitadel, confidential, device", zitadel, "device", "test-user@localhost", "verysecure", map[string]any{"client_id": "device", "client_secret": "secret"}},
		{"zitadel, nobody", zitadel, "", "", "", map[string]any{"auth_method": "client_credentials", "client_id": "sid1", "client_secret": "verysecret", "scope": "chat", "strict_id_token": nil}},
		{"fosite, public, browser", fosite, "browser", "", "", map[string]any{"auth_method": "public_app", "client_id": "public"}},
		{"fosite, key, browser", fosite, "browser", "", "", withKey},
		{"fosite, key, nobody", fosite, "", "", "", map[string]any{"auth_method": "client_credentials", "client_id": "key",
			"client_key": "{file:~/key.pem}", "client_key_id": "alias", "scope": "chat", "strict_id_token": nil}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			redirect := domaintest.FreeRedirect()
			me := newPrompt(t)
			config := map[string]any{"domain_url": test.start(t, redirect), "llm_base_url": "http://127.0.0.1:9/v1", "redirect_uri": redirect,
				"scope": "openid offline_access", "strict_id_token": true, "log_level": "VERBOSE"}
			for key, value := range test.keys {
				if config[key] = value; value == nil {
					delete(config, key)
				}
			}
			me.configure(config)
			if test.flow != "" {
				me.signsIn(test.flow, &visitor{t: t, name: test.user, password: test.pass})
			}
			first := me.says("token")
			if device := strings.Contains(test.name, "zitadel") && test.flow == "device"; device {
				return // its example gives a device no refresh token
			}
			me.says("refresh")
			second := me.says("token")
			me.says("refresh") // with what the first refresh brought
			if first == "" || second == first || me.says("token") == second {
				t.Errorf("the token stays the same")
			}
			me.says("logout")
		})
	}
}

func redirects(grants []string, redirect string) []string {
	if len(grants) == 1 {
		return []string{}
	}
	return []string{redirect}
}

func types(grants []string) []string {
	if len(grants) == 1 {
		return []string{}
	}
	return []string{"code"}
}

// builtProvider runs a provider of providers/, which make has built, until the
// test ends.
func builtProvider(t *testing.T, name string, setup any) (url string) {
	t.Helper()
	root, err := opencode.Root()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(root, "build", "providers", name)
	if _, err := os.Stat(program); err != nil {
		t.Skipf("%s is not built: run make e2e once", name)
	}
	command := exec.Command(program)
	var complaints text
	command.Stderr = &complaints
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		timer := time.AfterFunc(5*time.Second, func() { _ = command.Process.Kill() })
		defer timer.Stop()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, complaints.String())
		}
	})
	line, err := json.Marshal(setup)
	if err == nil {
		_, err = stdin.Write(append(line, '\n'))
	}
	var listening struct{ URL string }
	if err == nil {
		line, err = bufio.NewReader(stdout).ReadBytes('\n')
	}
	if err != nil || json.Unmarshal(line, &listening) != nil {
		t.Fatalf("%s does not start: %v\n%s", name, err, complaints.String())
	}
	return listening.URL
}

// providerKey is the private key of the clients that have one.
var providerKey = func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}()

func publicKey(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&providerKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func publicJWK() map[string]any {
	return map[string]any{"kty": "RSA", "kid": "alias", "alg": "RS256", "use": "sig",
		"n": base64.RawURLEncoding.EncodeToString(providerKey.N.Bytes()), "e": "AQAB"}
}

// A prompt is where a person runs the helper by itself, in a home of its own.
type prompt struct {
	t       *testing.T
	home    string
	program string
}

func newPrompt(t *testing.T) *prompt {
	t.Helper()
	root, err := opencode.Root()
	if err != nil {
		t.Fatal(err)
	}
	p := &prompt{t: t, home: tempDir(t), program: helper(t, root)}
	der, err := x509.MarshalPKCS8PrivateKey(providerKey)
	if err == nil {
		err = os.WriteFile(filepath.Join(p.home, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *prompt) configure(config any) {
	p.t.Helper()
	dir := filepath.Join(p.home, ".config", "opencode")
	text, err := json.MarshalIndent(config, "", "  ")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "oci-auth.config.jsonc"), text, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *prompt) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, p.program, args...)
	command.Dir = p.home
	command.Env = []string{"HOME=" + p.home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + p.home, "CLIENT_SECRET=secret"}
	return command
}

// says runs a command of the helper to its good end and returns what it prints.
func (p *prompt) says(args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), runLimit)
	defer cancel()
	command := p.command(ctx, args...)
	var complaints text
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		p.t.Fatalf("oci-oidc-helper %s: %v\n%s", strings.Join(args, " "), err, complaints.String())
	}
	return strings.TrimSpace(string(output))
}

var shownAddress = regexp.MustCompile(`(?s)(http://\S+)(?: on any device and enter the code\s+(\S+))?.*(?:Waiting|$)`)

// signsIn runs connect while the visitor does what it shows.
func (p *prompt) signsIn(flow string, who *visitor) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), runLimit)
	defer cancel()
	command := p.command(ctx, "connect", "--flow", flow, "--no-browser")
	var shown text
	command.Stderr = &shown
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for !strings.Contains(shown.String(), "Waiting") {
		select {
		case err := <-ended:
			p.t.Fatalf("connect ended (%v) without an address\n%s", err, shown.String())
		case <-time.After(pollEvery):
		}
	}
	found := shownAddress.FindStringSubmatch(shown.String())
	who.code = found[2]
	who.visits(found[1])
	if err := <-ended; err != nil {
		log, _ := os.ReadFile(filepath.Join(p.home, "oci-oidc-debug.log"))
		p.t.Fatalf("connect: %v\n%s\n%s", err, shown.String(), log)
	}
}

// A visitor is a person with a browser that knows no scripts: it fills in the form
// of each page with what it has, and follows what leads on.
type visitor struct {
	t                    *testing.T
	name, password, code string
}

var (
	formTag  = regexp.MustCompile(`(?s)<form([^>]*)>(.*?)</form>`)
	inputTag = regexp.MustCompile(`<input([^>]*)>`)
	leadsOn  = regexp.MustCompile(`location\.href='([^']*allowed)'`)
)

func attribute(tag, name string) string {
	found := regexp.MustCompile(name + `="([^"]*)"`).FindStringSubmatch(tag)
	if found == nil {
		return ""
	}
	return strings.ReplaceAll(found[1], "&amp;", "&")
}

func (v *visitor) visits(address string) {
	v.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: runLimit}
	page, err := browser.Get(address)
	for range 8 {
		if err != nil {
			v.t.Fatal(err)
		}
		body, _ := io.ReadAll(page.Body)
		_ = page.Body.Close()
		here := page.Request.URL
		if page.StatusCode != http.StatusOK {
			v.t.Fatalf("%s: %s\n%s", here, page.Status, body)
		}
		form := formTag.FindStringSubmatch(string(body))
		link := leadsOn.FindStringSubmatch(string(body))
		switch {
		case form != nil && !strings.EqualFold(attribute(form[1], "method"), "post"):
			page, err = browser.Get(resolved(here, attribute(form[1], "action")) + "?" + v.fills(form[2]).Encode())
		case form != nil:
			page, err = browser.PostForm(resolved(here, attribute(form[1], "action")), v.fills(form[2]))
		case link != nil:
			page, err = browser.Get(resolved(here, link[1]))
		default:
			return
		}
	}
	v.t.Fatalf("there is no end to the pages of %s", address)
}

// fills returns what the person writes into a form's fields.
func (v *visitor) fills(fields string) url.Values {
	values := url.Values{}
	for _, input := range inputTag.FindAllStringSubmatch(fields, -1) {
		switch name := attribute(input[1], "name"); name {
		case "username":
			values.Set(name, v.name)
		case "password":
			values.Set(name, v.password)
		case "user_code":
			values.Set(name, v.code)
		case "":
		default:
			values.Set(name, attribute(input[1], "value"))
		}
	}
	return values
}

func resolved(here *url.URL, action string) string {
	there, err := here.Parse(action)
	if err != nil {
		return here.String()
	}
	return there.String()
}
