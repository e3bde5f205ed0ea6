package opencode

import (
	"encoding/json"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// decide decides like OpenCode: the last matching rule in the order of the file counts.
func decide(t *testing.T, permission json.RawMessage, tool, asked string) string {
	t.Helper()
	var word string
	if len(permission) == 0 || json.Unmarshal(permission, &word) == nil {
		return word
	}
	var all ordered
	if err := json.Unmarshal(permission, &all); err != nil {
		t.Fatal(err)
	}
	action := ""
	for _, rule := range writtenFor(all, tool) {
		if matchesWildcard(rule.pattern, asked) {
			if err := json.Unmarshal(rule.action, &action); err != nil {
				t.Fatal(err)
			}
		}
	}
	return action
}

func TestPermissionsDenySecrets(t *testing.T) {
	const home = "/home/me"
	rules := denyRulesFor(store.Places{Home: home}, guard.Protected{Trees: []string{home + "/.secrets"}, ReadOnly: []string{home + "/settings.jsonc"}}, home+"/work")
	denied := [][2]string{
		{"read", home + "/.secrets"}, {"read", home + "/.secrets/x"}, {"read", "../.secrets/x"},
		{"edit", "../.secrets/x"}, {"edit", "../settings.jsonc"}, {"external_directory", home + "/.secrets/*"},
		{"bash", "cat ~/.secrets/x"}, {"bash", "cat $HOME/.secrets/x"}, {"bash", "cat /home/me/.secrets/x"},
		{"bash", "oci-oidc-helper token --format env"},
	}
	others := [][2]string{
		{"read", "README.md"}, {"read", home + "/settings.jsonc"}, {"edit", "src/x"}, {"bash", "git status"},
		{"bash", `git commit -m "keep it in '~/.secrets'"`}, {"bash", "oci-oidc-helper status"}, {"grep", "x"}, {"read", "a.env"}, {"mcp_x", "y"},
	}
	for name, written := range map[string]string{
		"nothing":                       ``,
		"null":                          `null`,
		"one word":                      `"allow"`,
		"a word a tool":                 `{"read":"allow","edit":"allow","bash":"allow","external_directory":"allow"}`,
		"patterns":                      `{"*":"ask","read":{"*":"allow","*.env":"ask"},"edit":{"*":"allow"},"bash":{"git *":"allow","*":"allow"}}`,
		"everything last":               `{"read":"allow","*":"allow"}`,
		"everything last, and patterns": `{"read":{"*":"ask","*.env":"deny"},"bash":{"git *":"deny"},"*":"allow"}`,
		"everything in the middle":      `{"read":"ask","*":"allow","edit":"ask"}`,
		"everything by other words":     `{"read":"ask","**":"allow","bash":{"**":"allow"}}`,
		"a group of tools last":         `{"bash":"ask","*":"ask","r*":"allow","mcp_*":"deny"}`,
		"patterns of everything":        `{"read":"ask","*":{"*":"allow","*.env":"ask"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			before := json.RawMessage(written)
			after := rules.addTo(before)
			for _, c := range denied {
				if got := decide(t, after, c[0], c[1]); got != "deny" {
					t.Errorf("%s %s: %q in %s", c[0], c[1], got, after)
				}
			}
			for _, c := range others {
				if got, want := decide(t, after, c[0], c[1]), decide(t, before, c[0], c[1]); got != want {
					t.Errorf("%s %s: %q, was %q, in %s", c[0], c[1], got, want, after)
				}
			}
			if again := rules.addTo(after); string(again) != string(after) {
				t.Errorf("twice is another thing: %s", again)
			}
		})
	}

	// The person's own rule wins.
	own := json.RawMessage(`{"read":{"*":"ask","/home/me/.secrets/*":"allow","*.pem":"deny"},"bash":{"*":"allow","cat *":"ask"}}`)
	after := rules.addTo(own)
	for _, c := range [][3]string{
		{"read", home + "/.secrets/x", "allow"}, {"read", "a.pem", "deny"}, {"read", "a", "ask"},
		{"bash", "cat ~/.secrets/x", "ask"}, {"bash", "less ~/.secrets/x", "deny"},
	} {
		if got := decide(t, after, c[0], c[1]); got != c[2] {
			t.Errorf("%s %s: %q, want %q", c[0], c[1], got, c[2])
		}
	}

	// Agents that have rules get ours too; the others are not changed.
	agents := rules.addToAgents(json.RawMessage(`{"free":{"prompt":"x","permission":"allow"},"plain":{"prompt":"y"},"off":null}`))
	var all ordered
	if err := json.Unmarshal(agents, &all); err != nil {
		t.Fatal(err)
	}
	var free ordered
	if err := json.Unmarshal(all.get("free"), &free); err != nil || decide(t, free.get("permission"), "read", home+"/.secrets/x") != "deny" || string(free.get("prompt")) != `"x"` {
		t.Errorf("%s", agents)
	}
	if string(all.get("plain")) != `{"prompt":"y"}` || string(all.get("off")) != "null" {
		t.Errorf("%s", agents)
	}
	if got := rules.addToAgents(nil); got != nil {
		t.Errorf("%s", got)
	}
}
