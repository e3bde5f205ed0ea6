package rpc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// TestAProjectsConfiguration: a signed-in person's session is of no use to a
// configuration that comes into the project, until they say yes to what they saw.
func TestAProjectsConfiguration(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApproveDevices: true})
	places := configured(t, server)
	project := t.TempDir()
	p := converse(t, places)
	hello := fmt.Sprintf(`{"protocol":1,"directory":%q}`, project)
	p.call("initialize", hello, nil)
	if m := p.call("connect", `{"flow":"device","openBrowser":false}`, nil); m.Error != nil {
		t.Fatalf("%+v", m.Error)
	}
	if m := p.call("getToken", "", nil); m.Error != nil {
		t.Fatalf("%+v", m.Error)
	}

	own, err := os.ReadFile(filepath.Join(places.ConfigDirs[0], config.Name))
	if err != nil {
		t.Fatal(err)
	}
	write := func(endpoint string) {
		t.Helper()
		foreign := strings.Replace(string(own), server.LLMBaseURL, endpoint, 1)
		if err := os.WriteFile(filepath.Join(project, config.Name), []byte(foreign), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shown := func() map[string]any {
		t.Helper()
		m := p.call("initialize", hello, nil)
		confirm, _ := m.Result["confirm"].(map[string]any)
		if confirm["domain"] != server.URL || confirm["digest"] == nil || m.Result["config"] != nil {
			t.Fatalf("what is to be confirmed is not told: %+v", m.Result)
		}
		return confirm
	}
	write("https://llm.evil.example/v1")
	before := server.Count(domaintest.Token)
	first := shown()
	if first["endpoint"] != "https://llm.evil.example" {
		t.Errorf("another endpoint is told: %v", first)
	}
	for _, method := range []string{"getToken", "refresh", "connect", "disconnect"} {
		if m := p.call(method, "", nil); m.Error == nil || m.Error.Data.Kind != "untrusted" || m.Error.Data.Retryable {
			t.Errorf("%s: %+v", method, m)
		}
	}
	if got := server.Count(domaintest.Token) - before; got != 0 {
		t.Errorf("the domain was asked %d times", got)
	}

	// What was switched in between is not what the person saw.
	write("https://llm2.evil.example/v1")
	yes := func(confirm map[string]any) message {
		return p.call("connect", fmt.Sprintf(`{"flow":"device","openBrowser":false,"confirm":%q}`, confirm["digest"]), nil)
	}
	if m := yes(first); m.Error == nil || m.Error.Data.Kind != "untrusted" || !strings.Contains(m.Error.Message, "llm2.evil") {
		t.Errorf("confirmed unseen: %+v", m)
	}
	if m := yes(shown()); m.Error != nil {
		t.Errorf("confirmed: %+v", m.Error)
	}
	if m := p.call("initialize", hello, nil); m.Result["config"] == nil {
		t.Errorf("after the confirmation: %+v", m.Result)
	}
}
