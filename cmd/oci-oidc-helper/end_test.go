package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// TestOneWindowTellsTheEnd: of two windows that find at once that the single sign-on session
// ends soon, one tells the person. A window that is opened later does not tell it again.
func TestOneWindowTellsTheEnd(t *testing.T) {
	c := newComputer(t)
	saved := c.savedTokens()
	now := time.Now().UTC()
	saved.End = tokens.End{At: now.Add(50*time.Minute + 30*time.Second), Of: tokens.SignOn, Since: now.Add(-7 * time.Hour)}
	_, err := c.tokenFile().Save(saved)
	c.check(err)

	const due = `"command":"oci-oidc.end"`
	ask := func(p *process, method string) {
		_, err := fmt.Fprintf(p.stdin, `{"jsonrpc":"2.0","id":%q,"method":%q,"params":{"name":"oci-oidc.end"}}`+"\n", method, method)
		c.check(err)
	}
	windows := []*process{c.begin("--stdio"), c.begin("--stdio")}
	for _, window := range windows {
		ask(window, "configure")
		window.until(window.stdout.has(due))
	}
	for _, window := range windows {
		ask(window, "command")
	}
	said := ""
	for _, window := range windows {
		window.until(window.stdout.has(`"id":"command"`))
		window.until(window.stdout.has(`"level":"warning"}}`)) // and is due no longer
		said += window.stdout.text()
		window.finish()
	}
	if strings.Count(said, "The single sign-on session at ") != 1 || !strings.Contains(said, "ends in 5") || !strings.Contains(said, "you may have to sign in again") {
		t.Errorf("the windows say %s", said)
	}
	late := c.begin("--stdio")
	ask(late, "configure")
	late.until(late.stdout.has(`"level":"warning"`))
	ask(late, "command")
	late.until(late.stdout.has(`"id":"command"`))
	if late.finish(); strings.Contains(late.stdout.text(), due) || strings.Contains(late.stdout.text(), "ends in") {
		t.Errorf("a later window says %s", late.stdout.text())
	}

	if text := c.mustRun("status"); !regexp.MustCompile(`(?m)^Session +single sign-on at the domain valid for (50|49) minutes, until `).MatchString(text) {
		t.Errorf("status: %s", text)
	}
	var status struct{ End struct{ At, Of string } }
	if err := json.Unmarshal([]byte(c.mustRun("status", "--json")), &status); err != nil || status.End.Of != "singleSignOn" || status.End.At != saved.End.At.Truncate(time.Second).Format(time.RFC3339) {
		t.Errorf("%+v, %v", status, err)
	}
}
