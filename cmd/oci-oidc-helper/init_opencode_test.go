package main

import (
	"encoding/json"
	"testing"

	"github.com/tidwall/jsonc"
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
		again, err := entries.into(text)
		if err != nil || string(again) != string(text) {
			t.Errorf("%s: a second time it changes: %v\n%s", name, err, again)
		}
	}
	for _, wrong := range []string{"[]", `{"plugin": "x"}`, `{"provider": 1}`, "{"} {
		if text, err := entries.into([]byte(wrong)); err == nil {
			t.Errorf("%s became %s", wrong, text)
		}
	}
}

func compact(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
