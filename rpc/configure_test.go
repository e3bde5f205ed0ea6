package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/lines"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
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

// While the item is worked out, it may be noticed that another process has changed the session.
// That is told, too, and nothing waits for itself.
func TestItemNoticesAChange(t *testing.T) {
	places := configured(t, domaintest.New(t, domaintest.Options{}))
	cfg, err := config.Load(places, t.TempDir())
	must(t, err)
	log := logging.Open(places.LogFile)
	t.Cleanup(log.Close)
	sessions, err := scopes.Open(cfg, places, log.Logger)
	must(t, err)
	t.Cleanup(sessions.Close)
	s := &server{Options: Options{Places: places, Log: log}, sessions: sessions, itemDue: make(chan struct{}, 1), asking: map[string]chan struct{}{}}
	s.life, s.end = context.WithCancel(t.Context())
	var out bytes.Buffer
	s.stream = lines.New(strings.NewReader(""), &out, func() {})
	told := make(chan struct{})
	session := sessions.All()[0]
	session.OnChange(func(status oidc.Status) { s.sessionChanged(session, status); close(told) })
	file := tokens.Open(places, cfg)
	unlock, _, err := file.TryLock()
	must(t, err)
	_, err = file.Save(tokens.Tokens{Access: secret.New("access"), IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)})
	must(t, err)
	unlock()
	s.calls.Go(s.watchItem)
	select {
	case <-told:
	case <-time.After(time.Minute):
		t.Fatal("the change is not told")
	}
	s.end()
	s.calls.Wait()
	if said := out.String(); !strings.Contains(said, "session/changed") || !strings.Contains(said, "status/changed") {
		t.Errorf("told: %s", said)
	}
}
