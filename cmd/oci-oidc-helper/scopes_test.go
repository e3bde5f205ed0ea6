package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/cmd/oci-oidc-helper/doctor"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// An endpoint with its own scope has its own sign-in, token and sign-out, which --endpoint
// chooses. Each endpoint accepts only the token of its own scope, and one session does not
// affect the other.
func TestEndpointFlagChoosesTheSession(t *testing.T) {
	c := newComputer(t)
	c.server.Change(func(o *domaintest.Options) {
		o.Resources = append(o.Resources, domaintest.Resource{Audience: "https://qwen.example.com", Scopes: []string{"/chat"}})
	})
	qwen := httptest.NewServer(c.server.Endpoint(1))
	t.Cleanup(qwen.Close)
	for key, value := range c.keys {
		c.raw += fmt.Sprintf("%q: %q, ", key, value)
	}
	c.raw = fmt.Sprintf(`{%s"endpoints": {"qwen": {"base_url": "%s/v1", "scope": "openid offline_access https://qwen.example.com/chat"}}}`, c.raw, qwen.URL)
	c.configure()

	accepts := func(baseURL, token string) bool {
		request, err := http.NewRequest(http.MethodGet, baseURL+"/models", nil)
		c.check(err)
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
		response, err := http.DefaultClient.Do(request)
		c.check(err)
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
	first := c.mustRun("token")
	refused := func(says string, code int, args ...string) {
		t.Helper()
		if stdout, stderr, got := c.run(args...); got != code || !strings.Contains(stderr, says) {
			t.Errorf("%v: exit code %d: %s%s", args, got, stdout, stderr)
		}
	}
	state := func(check string) doctor.State {
		t.Helper()
		report, _ := c.examine()
		for _, finding := range report.Findings {
			if finding.Check == check {
				return finding.State
			}
		}
		t.Errorf("the doctor makes no check %q", check)
		return ""
	}

	refused("connect --endpoint qwen", exitSignIn, "token", "--endpoint", "qwen")
	refused(`no endpoint called "other"`, exitUsage, "token", "--endpoint", "other")
	if status := c.mustRun("status"); !regexp.MustCompile(`Endpoint qwen +not signed in`).MatchString(status) {
		t.Errorf("status: %s", status)
	}
	if state("sign-in") != doctor.OK || state("qwen sign-in") != doctor.Warning || state("qwen token accepted") != doctor.Skipped {
		t.Error("the doctor finds something else than that the second session is missing")
	}

	c.mustRun("connect", "--endpoint", "qwen")
	second := c.mustRun("token", "--endpoint", "qwen")
	if !accepts(c.server.LLMBaseURL, first) || !accepts(qwen.URL+"/v1", second) || accepts(c.server.LLMBaseURL, second) || accepts(qwen.URL+"/v1", first) {
		t.Error("a token is not the one of its endpoint's scope alone")
	}
	if env := c.mustRun("token", "--endpoint", "qwen", "--format", "env"); !strings.Contains(env, qwen.URL+"/v1'") || strings.Contains(env, c.server.LLMBaseURL) {
		t.Errorf("the environment is for another endpoint: %d bytes", len(env))
	}
	if models := c.mustRun("models", "--refresh"); strings.Count(models, domaintest.DefaultModel) != 2 {
		t.Errorf("models: %s", models)
	}
	if status := c.mustRun("status"); !regexp.MustCompile(`Endpoint qwen +signed in as ` + domaintest.DefaultUser.Name).MatchString(status) {
		t.Errorf("status: %s", status)
	}
	if state("qwen saved tokens") != doctor.OK || state("qwen redirect and scope") != doctor.OK || state("qwen sign-in") != doctor.OK ||
		state("token accepted") != doctor.OK || state("qwen token accepted") != doctor.OK {
		t.Error("the doctor finds trouble where there is none")
	}

	key := c.mustRun("gateway", "key")
	gateway := c.helper("gateway")
	said, err := gateway.StderrPipe()
	c.check(err)
	c.check(gateway.Start())
	t.Cleanup(func() { _ = gateway.Process.Kill(); _ = gateway.Wait() })
	lines := bufio.NewScanner(said)
	for _, says := range []string{`The gateway answers at (\S+);`, `The endpoint qwen is at (\S+)\.`} {
		if !lines.Scan() {
			t.Fatalf("the gateway ends: %v", lines.Err())
		}
		at := regexp.MustCompile(says).FindStringSubmatch(lines.Text())
		if at == nil || !accepts(at[1], key) {
			t.Errorf("through the gateway: %s", lines.Text())
		}
	}

	c.mustRun("refresh", "--endpoint", "qwen")
	if c.mustRun("token") != first || c.mustRun("token", "--endpoint", "qwen") == second {
		t.Error("the refresh of one session is not its own")
	}
	c.mustRun("logout", "--endpoint", "qwen")
	refused("connect --endpoint qwen", exitSignIn, "token", "--endpoint", "qwen")
	if c.mustRun("token") != first {
		t.Error("the end of one session changes the other")
	}
	refused("Another session is for the endpoint qwen", exitOK, "connect")
	c.mustRun("connect", "--endpoint", "qwen")
	refused("qwen: Signed out, here and at the domain.", exitOK, "logout")
	refused("You are not signed in", exitSignIn, "token")
	refused("connect --endpoint qwen", exitSignIn, "token", "--endpoint", "qwen")
}
