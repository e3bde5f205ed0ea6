package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidwall/jsonc"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
)

func TestOpenCodeEntries(t *testing.T) {
	entries := openCodeEntries{plugin: "opencode-oci-oidc@0.1.0", models: []string{"m"}}
	for name, test := range map[string]struct{ before, after string }{
		"none":         {"", `{"$schema":"https://opencode.ai/config.json","plugin":["opencode-oci-oidc@0.1.0"],"provider":{"oci-oidc":{"models":{"m":{"name":"m"}}}}}`},
		"empty object": {"{}", `{"plugin":["opencode-oci-oidc@0.1.0"],"provider":{"oci-oidc":{"models":{"m":{"name":"m"}}}}}`},
		"others": {"// mine\n{\"theme\": \"x\", /* p */ \"plugin\": [\"a\"], \"provider\": {\"b\": {}},}",
			`{"theme":"x","plugin":["opencode-oci-oidc@0.1.0","a"],"provider":{"oci-oidc":{"models":{"m":{"name":"m"}}},"b":{}}}`},
		"empty lists": {`{"plugin": [], "provider": {"oci-oidc": {"models": {}}}}`,
			`{"plugin":["opencode-oci-oidc@0.1.0"],"provider":{"oci-oidc":{"models":{"m":{"name":"m"}}}}}`},
		"OpenCode 2's list": {`{"plugins": ["a"]}`, `{"plugins":["opencode-oci-oidc@0.1.0","a"],"provider":{"oci-oidc":{"models":{"m":{"name":"m"}}}}}`},
		"OpenCode 2's list, with the plugin": {`{"plugins": [{"package": "opencode-oci-oidc@0.0.1"}]}`,
			`{"plugins":[{"package":"opencode-oci-oidc@0.0.1"}],"provider":{"oci-oidc":{"models":{"m":{"name":"m"}}}}}`},
		"another model": {`{"plugin": ["opencode-oci-oidc@0.1.0"], "provider": {"oci-oidc": {"models": {"n": {}}}}}`,
			`{"plugin":["opencode-oci-oidc@0.1.0"],"provider":{"oci-oidc":{"models":{"m":{"name":"m"},"n":{}}}}}`},
		"two lists, of which readers take the last": {`{"plugin": ["a"], "provider": {"b": {}}, "plugin": ["c"], "provider": {}}`,
			`{"plugin":["opencode-oci-oidc@0.1.0","c"],"provider":{"oci-oidc":{"models":{"m":{"name":"m"}}}}}`},
		"lines of Windows": {"{\r\n  \"plugin\": [\r\n  ]\r\n}\r\n", `{"plugin":["opencode-oci-oidc@0.1.0"],"provider":{"oci-oidc":{"models":{"m":{"name":"m"}}}}}`},
	} {
		text, err := entries.into([]byte(test.before))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got, want any
		if err := json.Unmarshal(jsonc.ToJSON(text), &got); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		_ = json.Unmarshal([]byte(test.after), &want)
		if g, w := compact(got), compact(want); g != w {
			t.Errorf("%s: got  %s\nwant %s", name, g, w)
		}
		if lines := strings.Count(string(text), "\n"); strings.Contains(test.before, "\r\n") && strings.Count(string(text), "\r\n") != lines {
			t.Errorf("%s: some lines end in LF only: %q", name, text)
		}
		again, err := entries.into(text)
		if err != nil || string(again) != string(text) {
			t.Errorf("%s: a second time it changes: %v\n%s", name, err, again)
		}
	}
	for wrong, why := range map[string]string{
		"[]":                             "must have an object as a whole",
		`{"plugin": "x"}`:                "must have a list as plugin",
		`{"plugin": {}}`:                 "must have a list as plugin",
		`{"provider": 1}`:                "must have an object as provider",
		`{"provider": []}`:               "must have an object as provider",
		`{"provider": {"oci-oidc": []}}`: "must have an object as provider.oci-oidc",
		`{"provider": {"oci-oidc": {"models": ["a"]}}}`: "must have an object as provider.oci-oidc.models",
		"{\n":                "is not JSON, at or before line 2",
		"// none yet":        "is not JSON, at or before line 1",
		"\xef\xbb\xbf{}":     "must be saved as UTF-8 without a byte order mark",
		"\xff\xfe{\x00}\x00": "must be saved as UTF-8 without a byte order mark",
	} {
		if text, err := entries.into([]byte(wrong)); err == nil || regular.Why(err) != why {
			t.Errorf("%s became %s, %v, not %s", wrong, text, err, why)
		}
	}
}

func compact(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
