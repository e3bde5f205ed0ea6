package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/lines"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

func TestConfigurationOfThePersonWins(t *testing.T) {
	own := `{"name":"Ours","npm":"@ai-sdk/openai","options":{"baseURL":"https://other.example.com","headers":{"x-team":"a"},"timeout":false},"models":{"m":{"name":"M","limit":{"context":1}}}}`
	p := converse(t, emptyPlaces(t))
	m := p.call("configure", fmt.Sprintf(`{"providers":{"oci-oidc":%s}}`, own), nil)
	var want map[string]any
	_ = json.Unmarshal([]byte(own), &want)
	if fmt.Sprint(m.provider(config.Provider)) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", m.Result["providers"], want)
	}
	m = p.call("configure", `{"providers":{"oci-oidc":null},"agent":{"a":{"permission":"allow"}}}`, nil)
	provider := m.provider(config.Provider)
	if options, _ := provider["options"].(map[string]any); options["baseURL"] != opencode.PlaceholderBaseURL || provider["name"] != opencode.ProviderName {
		t.Errorf("%v", provider)
	}
	if methods, _ := m.Result["methods"].([]any); len(methods) != 3 || m.Result["tools"] == nil || m.Result["commands"] == nil || m.Result["agent"] == nil {
		t.Errorf("%v", m.Result)
	}
}

// The tools and commands answer with a text, also if something is wrong.
func TestToolsAndCommands(t *testing.T) {
	p := converse(t, emptyPlaces(t))
	for method, names := range map[string][]string{"tool": {opencode.StatusTool, opencode.RefreshTool}, "command": {opencode.StatusCommand, opencode.RefreshCommand}} {
		for _, name := range names {
			m := p.call(method, fmt.Sprintf(`{"name":%q}`, name), nil)
			if m.Error != nil || !strings.Contains(fmt.Sprint(m.Result), "No configuration was found") {
				t.Errorf("%s %s: %+v", method, name, m)
			}
		}
	}
	if m := p.call("command", fmt.Sprintf(`{"name":%q}`, opencode.SignInCommand), nil); m.Result["dispatch"] != "provider.connect" {
		t.Errorf("%+v", m)
	}
	m := p.call("status", "", nil)
	if text := fmt.Sprint(m.Result["text"]); !strings.HasPrefix(text, "Signed in  no\n") || !strings.Contains(text, "\nProblem    No configuration was found.") {
		t.Errorf("%s", text)
	}
}

// Whatever tells of two changes at once, the host's last item is the one of the last change.
func TestNewestItemIsSentLast(t *testing.T) {
	places := configured(t, domaintest.New(t, domaintest.Options{}))
	cfg, err := config.Load(places, t.TempDir())
	must(t, err)
	sessions, err := scopes.Open(cfg, places, slog.New(slog.DiscardHandler))
	must(t, err)
	defer sessions.Close()
	var out bytes.Buffer
	s := &server{stream: lines.New(strings.NewReader(""), &out, func() {}), watching: true}
	for i := range 500 {
		var both sync.WaitGroup
		both.Go(s.tellItem)
		s.mu.Lock()
		if s.sessions = sessions; i%2 == 0 {
			s.sessions = nil
		}
		s.mu.Unlock()
		both.Go(s.tellItem)
		both.Wait()
		said := strings.Split(strings.TrimSpace(out.String()), "\n")
		if last := said[len(said)-1]; strings.Contains(last, `"item":null`) != (i%2 == 0) {
			t.Fatalf("the last item after change %d is %s", i, last)
		}
	}
}
