package opencode

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
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
		{"another provider's is not", ``, []string{"other/new", "oci-oidc-qwen/new", ""}, `{` + large + `,` + small + `}`},
	} {
		if got := models(told, json.RawMessage(row.listed), "oci-oidc", row.named...); string(got) != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
	if got := models(nil, nil, "oci-oidc"); string(got) != `{"sign-in-first":{"name":"Sign in with /connect"}}` {
		t.Errorf("nothing known: %s", got)
	}
	if got := models(nil, nil, "oci-oidc", "oci-oidc/large"); string(got) != `{"large":{}}` {
		t.Errorf("before the first sign-in: %s", got)
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
	ends := func(status oidc.Status, of string) oidc.Status {
		status.End, status.EndNear = tokens.End{At: now.Add(55 * time.Minute), Of: of}, true
		return status
	}
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
		{in(ends(good, tokens.SignOn), 43*time.Minute), "OCI ! SSO 55 min", "warning"},
		{in(ends(good, tokens.RefreshToken), 43*time.Minute), "OCI ! 55 min left", "warning"},
		{in(ends(failing, tokens.SignOn), 4*time.Minute), "OCI ! 4 min left", "warning"},
		{in(ends(finite, tokens.SignOn), 43*time.Minute), "OCI ✓ 43 min", "good"},
	} {
		if got := itemFor(row.status, now); *got != (Item{Text: row.text, Level: row.level}) || utf8.RuneCountInString(got.Text) > 18 {
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
	large, small := View{tui, 40}, View{tui, 24}
	for _, p := range []signin.Prompt{code, dashed, paste, opened} {
		for line := range strings.Lines(Instructions(p, nil, large, now)) {
			if utf8.RuneCountInString(strings.TrimSpace(line)) > dialogColumns {
				t.Errorf("it does not fit the dialog: %s", line)
			}
		}
	}
	for _, row := range []struct {
		name   string
		prompt signin.Prompt
		view   View
		has    []string
		hasNot string
	}{
		{"a code", code, small, []string{"Code: SDFGHJKL\n", "The key c copies the address.", "valid for 5 minutes"}, "█"},
		{"a code that is copied", dashed, small, []string{"Code: WDJB-MJHT\n", "The key c copies the code."}, "█"},
		{"in a terminal", code, View{"terminal", 24}, []string{"Code: "}, "key c"},
		{"where there is room for the camera's", code, large, []string{"\n\n█"}, "none"},
		{"where there is nearly", code, View{tui, 38}, []string{"Code: "}, "█"},
		{"an opened browser", opened, large, []string{"A browser window has been opened"}, "Code"},
		{"a long address in a small window", paste, small, []string{"paste the address"}, "\n"},
		{"a long address in a large one", paste, large, []string{"select it with the mouse", "valid for 5 minutes"}, "none"},
	} {
		got := Instructions(row.prompt, qr, row.view, now)
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

// Every kind has a fixed sentence that OpenCode 1 does not take for another error and that
// names the command to see more.
func TestBrief(t *testing.T) {
	for _, kind := range []problem.Kind{problem.LoginRequired, problem.LoginDenied, problem.LoginTimeout, problem.Config, problem.Untrusted,
		problem.Network, problem.TLS, problem.Throttled, problem.Domain, problem.PortInUse, problem.Store, problem.Cancelled, problem.Internal} {
		text := Brief(kind)
		if !strings.Contains(text, `"oci-oidc-helper status"`) || strings.ContainsAny(text, "0123456789") || strings.Contains(text, "unavailable") {
			t.Errorf("%s: %s", kind, text)
		}
	}
}

// A problem with an address names the file to correct.
func TestProblemNamesTheFileOfAnEndpoint(t *testing.T) {
	c := config.Config{Path: "/home/c", BaseURL: "https://llm.example.com/v1", Others: []config.Endpoint{{ID: "qwen", BaseURL: "https://q.example.com/v1"}}}
	c.Managed.Path, c.Managed.Keys = "/etc/c", []string{"endpoints"}
	all := c.Endpoints()
	for want, p := range map[string]*problem.Problem{
		"llm_base_url in /home/c":              Misdirected(c, all[0], "https://x.example.com"),
		"endpoints.qwen in /etc/c":             Misdirected(c, all[1], "https://x.example.com"),
		"Set llm_base_url in /home/c":          Redirected(c, all[0], "https://x.example.com"),
		"Set endpoints.qwen in /etc/c":         Redirected(c, all[1], "https://x.example.com"),
		"The configuration /etc/c has no":      NoEndpoint(c, "oci-oidc-x"),
		"(PEM) as ca_file in /home/c, or in N": FetchFailed(c, all[1], Bun, "SELF_SIGNED_CERT_IN_CHAIN"),
	} {
		if !strings.Contains(p.Error(), want) {
			t.Errorf("%q is not in: %v", want, p)
		}
	}
}

// The next step fits the JavaScript runtime that OpenCode uses.
func TestFetchFailed(t *testing.T) {
	for _, row := range []struct{ caFile, runtime, next string }{
		{"", Node, "as ca_file in "},
		{"", Bun, "as ca_file in "},
		{"/etc/company.pem", Node, "Set NODE_EXTRA_CA_CERTS to /etc/company.pem where"},
		{"/etc/company.pem", Bun, "as ca_file in "},
	} {
		c := config.Config{Path: "/c", BaseURL: "https://llm.example.com/v1"}
		c.Network.CAFile = row.caFile
		if p := FetchFailed(c, c.Endpoints()[0], row.runtime, "SELF_SIGNED_CERT_IN_CHAIN"); p == nil || !strings.Contains(p.Hint, row.next) {
			t.Errorf("%+v: %v", row, p)
		}
	}
}

// TestEndsAreClaimedAsFarAsTheyAreKnown: the domain's single sign-on session is not the
// plugin's, so its end is no certain end of anything.
func TestEndsAreClaimedAsFarAsTheyAreKnown(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 5, 0, 0, time.Local)
	at := now.Add(65 * time.Minute)
	own, other := config.Config{DomainURL: "https://idcs.example"}, config.Config{DomainURL: "https://idcs.example", Session: "llama", Others: []config.Endpoint{{ID: "llama"}}}
	for _, row := range []struct{ got, want string }{
		{EndInfo{at, tokens.SignOn}.Text(now), "single sign-on at the domain valid for 1 hour 5 minutes, until 15:10; you may have to sign in again from then on"},
		{EndInfo{now, tokens.SignOn}.Text(now), "single sign-on at the domain expired at 14:05; you may have to sign in again from then on"},
		{EndInfo{at, tokens.RefreshToken}.Text(now), "refresh token valid for 1 hour 5 minutes, until 15:10; you have to sign in again then, unless a refresh brings a later one"},
		{endsSoon(own, tokens.End{At: at, Of: tokens.SignOn}, now), "The single sign-on session at idcs.example ends in 1 hour 5 minutes, at 15:10. From then on you may have to sign in again, with /connect."},
		{endsSoon(other, tokens.End{At: at, Of: tokens.SignOn}, now), endsSoon(own, tokens.End{At: at, Of: tokens.SignOn}, now)},
		{endsSoon(own, tokens.End{At: at, Of: tokens.RefreshToken}, now), "Your session at idcs.example ends in 1 hour 5 minutes, at 15:10, with its refresh token. Sign in again then, with /connect."},
		{endsSoon(other, tokens.End{At: at, Of: tokens.RefreshToken}, now), "Your session for the endpoint llama at idcs.example ends in 1 hour 5 minutes, at 15:10, with its refresh token. Sign in again then, with /connect."},
	} {
		if row.got != row.want {
			t.Errorf("%s\nwant %s", row.got, row.want)
		}
	}
}
