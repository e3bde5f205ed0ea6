package config

import (
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

func TestConfigTextIsAConfiguration(t *testing.T) {
	p := storetest.Places(t)
	text := Format(map[string]string{
		"domain_url": "https://idcs-1.identity.oraclecloud.com", "client_id": `odd"0`,
		"client_secret": "{file:~/.secrets/oci-client-secret}", "llm_base_url": "https://llm.example.com/v1",
	})
	c, err := Parse(p, "new", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if c.ClientID != `odd"0` || c.RedirectURIs[0] != DefaultRedirectURI || c.Scope != DefaultScope {
		t.Errorf("%+v", c)
	}
	for _, key := range Keys {
		if !strings.Contains(string(text), `"`+key.Name+`": `) {
			t.Errorf("%s is not in it", key.Name)
		}
	}
	if err := validate(t, resolvedSchema(t), string(text)); err != nil {
		t.Errorf("the schema refuses it: %v", err)
	}
}

func TestCheckValue(t *testing.T) {
	p := storetest.Places(t)
	for _, key := range Keys {
		good := key.Default
		if good == "" {
			good = key.Example
		}
		if err := CheckValue(p, key.Name, good); err != nil {
			t.Errorf("%s: %v", key.Name, err)
		}
	}
	for key, bad := range map[string]string{
		"domain_url": "idcs.example.com", "llm_base_url": "http://llm.example.com", "client_id": "", "auth_method": "x",
		"redirect_uri": "https://example.com", "scope": " ", "client_secret": "{file:x",
	} {
		if err := CheckValue(p, key, bad); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s %q: %v", key, bad, err)
		}
	}
}
