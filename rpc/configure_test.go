package rpc

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
)

func TestModelsToChooseFrom(t *testing.T) {
	yes := true
	limit := &endpoint.Limit{Context: 131072, Output: 32768}
	told := endpoint.Models{"large": {Limit: limit, ToolCall: &yes}, "small": {Limit: limit}}
	const large, small = `"large":{"tool_call":true,"limit":{"context":131072,"output":32768}}`, `"small":{"limit":{"context":131072,"output":32768}}`
	for _, row := range []struct {
		name, listed string
		named        []string
		want         string
	}{
		{"without a list they are the endpoint's", ``, nil, `{` + large + `,` + small + `}`},
		{"an empty list is none", `{}`, nil, `{` + large + `,` + small + `}`},
		{"a list is the list", `{"small":{}}`, nil, `{` + small + `}`},
		{"what is written wins", `{"large":{"name":"L","limit":{"output":5}}}`, nil, `{"large":{"tool_call":true,"limit":{"context":131072,"output":5},"name":"L"}}`},
		{"a model by another name", `{"mine":{"id":"small"}}`, nil, `{"mine":{"limit":{"context":131072,"output":32768},"id":"small"}}`},
		{"a model that is not told", `{"own":{"name":"O"},"__proto__":{"x":1}}`, nil, `{"own":{"name":"O"},"__proto__":{"x":1}}`},
		{"the model to use is there, told or not", ``, []string{"oci-oidc/org/new", "oci-oidc/small"}, `{"org/new":{},` + small + `,` + large + `}`},
		{"another provider's is not", ``, []string{"other/new", ""}, `{` + large + `,` + small + `}`},
	} {
		if got := models(told, json.RawMessage(row.listed), row.named...); string(got) != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	if got := models(nil, nil); string(got) != noModels {
		t.Errorf("nothing known: %s", got)
	}
	if got := models(nil, nil, "oci-oidc/large"); string(got) != `{"large":{}}` {
		t.Errorf("before the first sign-in: %s", got)
	}
}

func TestWhatThePersonWroteWins(t *testing.T) {
	own := `{"name":"Ours","npm":"@ai-sdk/openai","options":{"baseURL":"https://other.example.com","headers":{"x-team":"a"},"timeout":false},"models":{"m":{"name":"M","limit":{"context":1}}}}`
	p := converse(t, emptyPlaces(t))
	m := p.call("configure", fmt.Sprintf(`{"provider":%s}`, own), nil)
	var want map[string]any
	_ = json.Unmarshal([]byte(own), &want)
	if fmt.Sprint(m.Result["provider"]) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", m.Result["provider"], want)
	}
	m = p.call("configure", `{"provider":null,"agent":{"a":{"permission":"allow"}}}`, nil)
	provider, _ := m.Result["provider"].(map[string]any)
	if options, _ := provider["options"].(map[string]any); options["baseURL"] != placeholderBaseURL || provider["name"] != providerName {
		t.Errorf("%v", provider)
	}
	if methods, _ := m.Result["methods"].([]any); len(methods) != 3 || m.Result["tools"] == nil || m.Result["commands"] == nil || m.Result["agent"] == nil {
		t.Errorf("%v", m.Result)
	}
}

func TestItem(t *testing.T) {
	now := time.Now()
	good := oidc.Status{SignedIn: true, Refreshable: true}
	in := func(s oidc.Status, left time.Duration) oidc.Status {
		s.ExpiresAt = now.Add(left)
		return s
	}
	failing := good
	failing.Problem = problem.New(problem.Network, "No connection.", "Wait.")
	finite := oidc.Status{SignedIn: true}
	for _, row := range []struct {
		status      oidc.Status
		text, level string
	}{
		{in(good, 43*time.Minute), "OCI ✓ 43 min", "good"},
		{in(good, 24*time.Second), "OCI ✓ 1 min", "good"},
		{in(good, time.Hour), "OCI ✓ 1 h", "good"},
		{in(good, 125*time.Minute), "OCI ✓ 2 h 5 min", "good"},
		{in(good, 50*time.Hour), "OCI ✓ 2 d", "good"},
		{in(good, -5*time.Minute), "OCI ✓", "good"},
		{in(failing, 4*time.Minute), "OCI ! 4 min left", "warning"},
		{in(failing, -time.Minute), "OCI ! not renewed", "warning"},
		{in(finite, 43*time.Minute), "OCI ✓ 43 min", "good"},
		{in(finite, 8*time.Minute), "OCI ! 8 min left", "warning"},
		{oidc.Status{}, "OCI ! /connect", "warning"},
	} {
		if got := itemFor(row.status, now); *got != (item{row.text, row.level}) || utf8.RuneCountInString(got.Text) > 18 {
			t.Errorf("%+v, want %s %s", *got, row.text, row.level)
		}
	}
}

func TestInstructions(t *testing.T) {
	now := time.Now()
	qr := strings.Split(strings.TrimSpace(strings.Repeat(strings.Repeat("█", 37)+"\n", 19)), "\n")
	code := signin.Prompt{Flow: signin.Device, URL: "https://idcs-0123456789abcdef0123456789abcdef.identity.oraclecloud.com/ui/v1/device", UserCode: "SDFGHJKL", ExpiresAt: now.Add(5 * time.Minute)}
	dashed := code
	dashed.UserCode = "WDJB-MJHT"
	paste := signin.Prompt{Flow: signin.Paste, URL: "https://idcs-1.identity.oraclecloud.com/oauth2/v1/authorize", ExpiresAt: now.Add(5 * time.Minute)}
	opened := signin.Prompt{Flow: signin.Browser, URL: "http://127.0.0.1:1/", BrowserOpened: true, ExpiresAt: now.Add(5 * time.Minute)}
	large, small := view{tui, 40}, view{tui, 24}
	for _, p := range []signin.Prompt{code, dashed, paste, opened} {
		for line := range strings.Lines(instructions(p, nil, large, now)) {
			if utf8.RuneCountInString(strings.TrimSpace(line)) > dialogColumns {
				t.Errorf("it does not fit the dialog: %s", line)
			}
		}
	}
	for _, row := range []struct {
		name   string
		prompt signin.Prompt
		view   view
		has    []string
		hasNot string
	}{
		{"a code", code, small, []string{"Code: SDFGHJKL\n", "The key c copies the address.", "valid for 5 minutes"}, "█"},
		{"a code that is copied", dashed, small, []string{"Code: WDJB-MJHT\n", "The key c copies the code."}, "█"},
		{"in a terminal", code, view{"terminal", 24}, []string{"Code: "}, "key c"},
		{"where there is room for the camera's", code, large, []string{"\n\n█"}, "none"},
		{"where there is nearly", code, view{tui, 38}, []string{"Code: "}, "█"},
		{"an opened browser", opened, large, []string{"A browser window has been opened"}, "Code"},
		{"a long address in a small window", paste, small, []string{"paste the address"}, "\n"},
		{"a long address in a large one", paste, large, []string{"select it with the mouse", "valid for 5 minutes"}, "none"},
	} {
		got := instructions(row.prompt, qr, row.view, now)
		for _, part := range row.has {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q lacks %q", row.name, got, part)
			}
		}
		if strings.Contains(got, row.hasNot) {
			t.Errorf("%s: %q has %q", row.name, got, row.hasNot)
		}
	}
}

// TestToolsAndCommands answer in words, also when something is wrong.
func TestToolsAndCommands(t *testing.T) {
	p := converse(t, emptyPlaces(t))
	for method, names := range map[string][]string{"tool": {statusTool, refreshTool}, "command": {statusCommand, refreshCommand}} {
		for _, name := range names {
			m := p.call(method, fmt.Sprintf(`{"name":%q}`, name), nil)
			if m.Error != nil || !strings.Contains(fmt.Sprint(m.Result), "No configuration was found") {
				t.Errorf("%s %s: %+v", method, name, m)
			}
		}
	}
	if m := p.call("command", fmt.Sprintf(`{"name":%q}`, signInCommand), nil); m.Result["dispatch"] != "provider.connect" {
		t.Errorf("%+v", m)
	}
	m := p.call("status", "", nil)
	if text := fmt.Sprint(m.Result["text"]); !strings.HasPrefix(text, "Signed in  no\n") || !strings.Contains(text, "\nProblem    No configuration was found.") {
		t.Errorf("%s", text)
	}
}

// TestBrief: every kind has a sentence that OpenCode 1 cannot misread, which names the
// command that shows the rest.
func TestBrief(t *testing.T) {
	for _, kind := range []problem.Kind{problem.LoginRequired, problem.LoginDenied, problem.LoginTimeout, problem.Config, problem.Untrusted,
		problem.Network, problem.TLS, problem.Throttled, problem.Domain, problem.PortInUse, problem.Store, problem.Cancelled, problem.Internal} {
		text := brief(kind)
		if !strings.Contains(text, `"oci-oidc-helper status"`) || strings.ContainsAny(text, "0123456789") || strings.Contains(text, "unavailable") {
			t.Errorf("%s: %s", kind, text)
		}
	}
}
