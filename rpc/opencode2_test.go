package rpc

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
)

// OpenCode 2 gets everything in its own form, before and after a sign-in. Its command to sign
// in is another one, too.
func TestFormsOfOpenCode2(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	p := converse(t, configured(t, server))
	p.call("initialize", `{"protocol":1,"client":{"name":"x","version":"0","host":"opencode-2","runtime":"node"}}`, nil)
	configure := func() (told opencode.Completed2) {
		t.Helper()
		result, err := json.Marshal(p.call("configure", "", nil).Result)
		if err == nil {
			err = json.Unmarshal(result, &told)
		}
		if err != nil {
			t.Fatal(err)
		}
		return told
	}
	before := configure()
	info := before.Providers[0].Info
	if len(before.Providers) != 1 || info.ID != "oci-oidc" || info.Activation != "enabled" || info.Settings["baseURL"] != server.LLMBaseURL || !strings.HasSuffix(info.Package, "openai-compatible") {
		t.Errorf("the provider is %+v", info)
	}
	if len(before.Methods) != 3 || len(before.Tools) != 2 || before.Providers[0].Models == nil || before.Secrets == nil {
		t.Errorf("OpenCode got %+v", before)
	}
	if m := p.call("getToken", "", nil); m.Error == nil || !strings.Contains(m.Error.Data.Hint, `"opencode auth login oci-oidc"`) {
		t.Errorf("before the sign-in: %+v", m.Error)
	}
	if m := p.call("status", "", nil); m.Result["ended"] != "Not signed in" {
		t.Errorf("before the sign-in an account is marked with %v", m.Result["ended"])
	}
	if m := p.call("lacks", `{"what":"ctx.shell.hook"}`, nil); m.Error != nil {
		t.Errorf("the host lacks something: %+v", m.Error)
	}

	changed := false
	note := func(m message) {
		switch m.Method {
		case "connect/prompt":
			var prompt connectPrompt
			if err := json.Unmarshal(m.Params, &prompt); err != nil {
				t.Fatal(err)
			}
			go open(t, prompt.URL)
		case "configure/changed":
			changed = true
		}
	}
	p.call("connect", `{"attempt":1,"flow":"browser","openBrowser":false}`, note)
	await(t, func() bool { // after the answer, if the endpoint is slow
		p.call("ping", "", note)
		return changed
	})
	if models := configure().Providers[0].Models; len(models) != 1 || models[0].ID != domaintest.DefaultModel {
		t.Errorf("after the sign-in the models are %+v", models)
	}
}
