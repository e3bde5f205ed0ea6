package rpc

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A configuration that appears in a project gets nothing from the session of a signed-in
// person until they confirm what they were shown.
func TestProjectConfigurationNeedsConfirmation(t *testing.T) {
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
	type answer struct{ Label, Value, Hint string }
	shown := func() (message, digest string) {
		t.Helper()
		m := p.call("configure", "", nil)
		var methods []struct {
			Question struct {
				Message string
				Options []answer
			}
		}
		text, _ := json.Marshal(m.Result["methods"])
		if err := json.Unmarshal(text, &methods); err != nil || len(methods) == 0 {
			t.Fatalf("%v: %s", err, text)
		}
		for _, method := range methods {
			q := method.Question
			if !slices.Contains(strings.Split(q.Message, "\n"), server.URL) || len(q.Options) != 2 || q.Options[0].Label != "No" {
				t.Fatalf("what is to be confirmed is not told: %s", text)
			}
			message, digest = q.Message, q.Options[1].Value
		}
		return message, digest
	}
	write("https://llm.evil.example/v1")
	before := server.Count(domaintest.Token)
	told, first := shown()
	if !slices.Contains(strings.Split(told, "\n"), "https://llm.evil.example") {
		t.Errorf("the question names another endpoint: %s", told)
	}
	for _, method := range []string{"getToken", "refresh", "connect", "disconnect"} {
		if m := p.call(method, "", nil); m.Error == nil || m.Error.Data.Kind != "untrusted" || m.Error.Data.Retryable {
			t.Errorf("%s: %+v", method, m)
		}
	}
	if got := server.Count(domaintest.Token) - before; got != 0 {
		t.Errorf("the domain was asked %d times", got)
	}

	// The file was replaced after the person had seen it.
	write("https://llm2.evil.example/v1")
	yes := func(digest string) message {
		return p.call("connect", fmt.Sprintf(`{"flow":"device","openBrowser":false,"confirm":%q}`, digest), nil)
	}
	if m := yes(opencode.NotConfirmed); m.Error == nil || !strings.Contains(m.Error.Message, "was not confirmed") {
		t.Errorf("no: %+v", m)
	}
	if m := yes(first); m.Error == nil || m.Error.Data.Kind != "untrusted" || !strings.Contains(m.Error.Message, "llm2.evil") {
		t.Errorf("confirmed unseen: %+v", m)
	}
	_, second := shown()
	if m := yes(second); m.Error != nil {
		t.Errorf("confirmed: %+v", m.Error)
	}
	if m := p.call("getToken", "", nil); m.Result["baseURL"] != "https://llm2.evil.example/v1" {
		t.Errorf("after the confirmation: %+v", m.Result)
	}
}
