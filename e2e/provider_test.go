package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// A provider is the OpenID-certified oidc-provider at OCI's paths, with an
// endpoint behind it that asks the provider who a token belongs to.
type provider struct {
	url      string
	endpoint string
	client   config // what an application registered there is configured with
}

// The one person whom the provider knows.
const (
	personName     = "pat@example.com"
	personPassword = "correct horse"
)

// newProvider starts a provider with one application: with a secret, or for a
// device without one.
func newProvider(t *testing.T, secret string) *provider {
	t.Helper()
	p := &provider{client: config{
		Client: "opencode", Secret: secret, Redirect: domaintest.FreeRedirect(),
		Scope: "openid offline_access", Method: "confidential_app", LogLevel: "VERBOSE",
	}}
	registration := map[string]any{
		"client_id": p.client.Client, "client_secret": secret,
		"application_type": "native", "redirect_uris": []string{p.client.Redirect}, "response_types": []string{"code"},
		"grant_types": []string{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"},
	}
	if secret == "" {
		p.client.Method = "mobile_app"
		delete(registration, "client_secret")
		registration["token_endpoint_auth_method"] = "none"
	}
	p.start(t, map[string]any{
		"clients": []any{registration},
		"user":    map[string]string{"name": personName, "password": personPassword},
	})
	server := httptest.NewServer(http.HandlerFunc(p.chat))
	t.Cleanup(server.Close)
	p.endpoint = server.URL + "/v1"
	p.client.Domain, p.client.Endpoint = p.url, p.endpoint
	return p
}

// start runs provider/provider.js until the test ends.
func (p *provider) start(t *testing.T, setup any) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node")
	}
	if installed, _ := filepath.Glob("provider/node_modules/oidc-provider/package.json"); installed == nil {
		t.Skip("oidc-provider is not installed: run make e2e once")
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, node, "provider.js")
	command.Dir = "provider"
	var complaints text
	command.Stderr = &complaints
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		timer := time.AfterFunc(5*time.Second, cancel)
		defer timer.Stop()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("oidc-provider:\n%s", complaints.String())
		}
	})
	if err := json.NewEncoder(stdin).Encode(setup); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var listening struct{ URL string }
	if err == nil {
		err = json.Unmarshal(line, &listening)
	}
	if err != nil {
		t.Fatalf("oidc-provider does not start: %v\n%s", err, complaints.String())
	}
	p.url = listening.URL
}

// chat answers a chat request with the name that the provider gives for its token.
func (p *provider) chat(w http.ResponseWriter, r *http.Request) {
	question, err := http.NewRequestWithContext(r.Context(), http.MethodGet, p.url+"/oauth2/v1/userinfo", nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	question.Header.Set("Authorization", r.Header.Get("Authorization"))
	answer, err := http.DefaultClient.Do(question)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	var person struct{ Sub string }
	if answer.StatusCode != http.StatusOK || json.NewDecoder(answer.Body).Decode(&person) != nil {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/event-stream")
	const chunk = `data: {"id":"1","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{%s},"finish_reason":%s}]}` + "\n\n"
	fmt.Fprintf(w, chunk, `"role":"assistant","content":`+quoted(p.greeting(person.Sub)), "null")
	fmt.Fprintf(w, chunk, "", `"stop"`)
	fmt.Fprint(w, "data: [DONE]\n\n")
}

func (p *provider) greeting(name string) string {
	return "The provider says that you are " + name + "."
}

// quoted is text as a literal of JSON and JavaScript.
func quoted(text string) string {
	literal, _ := json.Marshal(text)
	return string(literal)
}

func TestCertifiedProviderBrowser(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	provider := newProvider(t, "a secret for the provider")
	me := newConfiguredComputer(t, opencode.Latest, provider.client)
	me.signIn(withBrowser, func(t *testing.T, login *run) {
		browser.opens(login.opens())
		browser.sees("Sign in")
		browser.signsIn(personName, personPassword)
		browser.sees("You are signed in")
	})
	me.asks("hi").answers(provider.greeting(personName))
}

func TestCertifiedProviderDevice(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	provider := newProvider(t, "")
	me := newConfiguredComputer(t, opencode.Latest, provider.client)
	me.signIn(withCode, func(t *testing.T, login *run) {
		url, code := login.showsCode()
		browser.opens(url)
		browser.sees("Enter the code")
		browser.types("[name=user_code]", code)
		browser.clicks("#next")
		browser.sees("Does your device show " + code + "?")
		browser.clicks("#confirm")
		browser.sees("Sign in")
		browser.signsIn(personName, personPassword)
		browser.sees("Your device is signed in")
	})
}

func TestStandInDomainInABrowser(t *testing.T) {
	t.Parallel()
	browser := newBrowser(t)
	domain := domaintest.New(t, domaintest.Options{})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.signIn(withBrowser, func(t *testing.T, login *run) {
		browser.opens(login.opens())
		browser.sees("Sign in to your account")
		browser.signsIn(domaintest.DefaultUser.Name, domaintest.DefaultUser.Password)
		browser.sees("You are signed in")
	})
}
