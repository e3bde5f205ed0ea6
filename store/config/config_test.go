package config

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/secrets"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

const minimal = `{
  // the company's domain
  "domain_url": "https://idcs-0123.identity.oraclecloud.com:443/",
  "client_id": "0a1b2c", /* not a secret */
  "client_secret": "{file:~/.secrets/oci}",
  "llm_base_url": "https://llm.example.com/v1/",
}
`

func TestDefaults(t *testing.T) {
	p := storetest.Places(t)
	dir := p.ConfigDirs[0]
	storetest.WriteFile(t, filepath.Join(dir, Name), minimal)
	storetest.WriteFile(t, filepath.Join(p.Home, ".secrets", "oci"), "  s3cret\n")
	c, err := Load(p, dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Path:         filepath.Join(dir, Name),
		DomainURL:    "https://idcs-0123.identity.oraclecloud.com:443",
		ClientID:     "0a1b2c",
		ClientSecret: secrets.Parse(p, &check.File{}, "client_secret", "{file:~/.secrets/oci}"),
		RedirectURIs: []string{"http://localhost:8888/callback"},
		Scope:        "openid profile offline_access",
		BaseURL:      "https://llm.example.com/v1",
		AuthMethod:   ConfidentialApp,
		LogLevel:     slog.LevelInfo,
		LogFile:      p.LogFile,
		TokenStore:   FileStore,
	}
	if !c.Equal(want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if text, err := c.ClientSecret.Read(); err != nil || text.Reveal() != "s3cret" {
		t.Errorf("secret %q, %v", text.Reveal(), err)
	}
}

// The example in the package is valid except for its placeholders, and the errors name the
// line of each placeholder.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../npm-shim/oci-auth.config.example.jsonc")
	if err != nil {
		t.Fatal(err)
	}
	p := storetest.Places(t)
	_, err = parseConfig(p, "example", text)
	for _, key := range []string{"domain_url", "client_id", "llm_base_url"} {
		if err == nil || !strings.Contains(err.Error(), key+": is still the placeholder <your-") && !strings.Contains(err.Error(), key+": is still the placeholder https://<your-") {
			t.Errorf("%s: %v", key, err)
		}
	}
	filled := strings.NewReplacer("<your-domain>", "idcs-0", "<your-client-id>", "c", "<your-llm-endpoint>", "llm.example.com").Replace(string(text))
	c, err := parseConfig(p, "example", []byte(filled))
	if err != nil {
		t.Fatal(err)
	}
	if c.RedirectURIs[0] != DefaultRedirectURI || c.Scope != DefaultScope || c.AuthMethod != ConfidentialApp || c.LogFile != p.LogFile {
		t.Errorf("the example's defaults are others: %+v", c)
	}
}

func TestSearchOrder(t *testing.T) {
	p, dir := storetest.Places(t), t.TempDir()
	user, project := filepath.Join(p.ConfigDirs[0], Name), filepath.Join(dir, Name)

	_, err := Load(p, dir)
	if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), user) || !strings.Contains(err.Error(), project) {
		t.Errorf("without a file: %v", err)
	}
	storetest.WriteFile(t, user, minimal)
	if c, err := Load(p, dir); err != nil || c.Path != user {
		t.Errorf("user's file: %q, %v", c.Path, err)
	}
	storetest.WriteFile(t, project, minimal)
	if c, err := Load(p, dir); err != nil || c.Path != project {
		t.Errorf("project's file: %q, %v", c.Path, err)
	}
	storetest.WriteFile(t, project, "{")
	if _, err := Load(p, dir); !problem.Is(err, problem.Config) {
		t.Errorf("a broken project file must not be passed over: %v", err)
	}
}

func TestFindPlacesHonoursTheEnvironment(t *testing.T) {
	home, other := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home) // as Windows calls it
	t.Setenv("APPDATA", "")
	t.Setenv("XDG_CONFIG_HOME", other)
	project := t.TempDir()
	paths := Paths(store.FindPlaces(), project)
	var want []string
	for _, dir := range []string{project, filepath.Join(other, "opencode"), filepath.Join(home, ".config", "opencode")} {
		want = append(want, filepath.Join(dir, Name))
	}
	want = append(want, managedPath(store.FindPlaces()))
	if strings.Join(paths, " ") != strings.Join(want, " ") {
		t.Errorf("got  %v\nwant %v", paths, want)
	}
}

// Each row is an edit that makes the minimal configuration invalid, with what the message must
// say.
func TestInvalidConfigurations(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"unknown key", `"client_id"`, `"client_idd"`, ":4: client_idd: unknown key, did you mean client_id?"},
		{"camel case", `"client_id"`, `"clientId"`, "did you mean client_id?"},
		{"nothing near", `"client_id"`, `"colour"`, ":4: colour: unknown key\n"},
		{"missing", `"client_id": "0a1b2c",`, ``, "client_id: is missing"},
		{"placeholder", `0a1b2c`, `<your-client-id>`, ":4: client_id: is still the placeholder <your-client-id>"},
		{"placeholder in a URL", `idcs-0123`, `idcs-<your-domain>`, ":3: domain_url: is still the placeholder"},
		{"http domain", `https://idcs`, `http://idcs`, ":3: domain_url: is http: for idcs-0123"},
		{"http endpoint", `https://llm`, `http://llm`, ":6: llm_base_url: is http: for llm.example.com"},
		{"not a URL", `https://llm.example.com/v1/`, `llm.example.com`, ":6: llm_base_url: is not a web address"},
		{"one path of the endpoint", `/v1/"`, `/v1/chat/completions"`, `:6: llm_base_url: ends in /chat/completions, which OpenCode adds by itself; write only "https://llm.example.com/v1"`},
		{"another, with a slash", `/v1/"`, `/v1/responses/"`, `:6: llm_base_url: ends in /responses, which OpenCode adds by itself; write only "https://llm.example.com/v1"`},
		{"one path of endpoints", `"llm_base_url"`, `"endpoints": {"qwen": {"base_url": "https://q.example/v1/completions"}}, "llm_base_url"`, `:6: endpoints.qwen: ends in /completions`},
		{"a query of the endpoint", `/v1/"`, `/v1?api-version=1"`, "llm_base_url: has a query or fragment"},
		{"white space around the endpoint", `/v1/"`, `/v1/ "`, "llm_base_url: has spaces or line breaks around it"},
		{"password in the URL", `https://llm`, `https://u:p@llm`, "llm_base_url: holds a user name or password"},
		{"path in the domain", `.com:443/`, `.com/oauth2`, "domain_url: has a path"},
		{"number", `"0a1b2c"`, `12`, ":4: client_id: must be text in quotes"},
		{"twice", `"client_id"`, `"client_id": "x", "client_id"`, "client_id: stands twice"},
		{"secret missing", `"client_secret": "{file:~/.secrets/oci}",`, ``, "client_secret: is missing, and a confidential_app has one"},
		{"secret placeholder", `{file:~/.secrets/oci}`, `<your-client-secret>`, ":5: client_secret: is still a placeholder"},
		{"secret file unclosed", `{file:~/.secrets/oci}`, `{file:~/.secrets/oci`, ":5: client_secret: begins with {file:"},
		{"method", `"client_id"`, `"auth_method": "mobile", "client_id"`, `auth_method: is "mobile"; write one of confidential_app, mobile_app, public_app, private_key_jwt, client_credentials`},
		{"level", `"client_id"`, `"log_level": "WARNING", "client_id"`, `log_level: is "WARNING"; write one of NONE, ERROR, WARN`},
		{"foreign redirect", `"client_id"`, `"redirect_uri": "https://example.com/cb", "client_id"`, "redirect_uri: is \"https://example.com/cb\", but must be on this machine"},
		{"empty scope", `"client_id"`, `"scope": " ", "client_id"`, "scope: is empty"},
		{"a secret for a public app", `"client_id"`, `"auth_method": "public_app", "client_id"`, ":5: client_secret: is set, but a public_app has none"},
		{"a secret for a mobile app", `"client_id"`, `"auth_method": "mobile_app", "client_id"`, ":5: client_secret: is set, but a mobile_app has none"},
		{"a key for a mobile app", `"client_secret"`, `"auth_method": "mobile_app", "client_key"`, ":5: client_key: is set, but a mobile_app has none"},
		{"a secret and a key", `"client_id"`, `"client_key": "{env:K}", "client_id"`, ":4: client_key: is set beside client_secret"},
		{"private_key_jwt with a secret", `"client_id"`, `"auth_method": "private_key_jwt", "client_id"`, ":5: client_secret: is set, but with private_key_jwt"},
		{"private_key_jwt without a key", `"client_secret": "{file:~/.secrets/oci}"`, `"auth_method": "private_key_jwt"`, "client_key: is missing, and private_key_jwt needs one"},
		{"a key's ID without a key", `"client_id"`, `"client_key_id": "k", "client_id"`, ":4: client_key_id: names the key in client_key, but there is none"},
		{"credentials without a secret", `"client_secret": "{file:~/.secrets/oci}"`, `"auth_method": "client_credentials"`, "client_secret: is missing, and client_credentials needs one, or client_key"},
		{"credentials with a hint", `"client_id"`, `"auth_method": "client_credentials", "login_hint": "m", "client_id"`, ":4: login_hint: is for people who sign in"},
		{"an empty environment", `"{file:~/.secrets/oci}"`, `"{env:}"`, `:5: client_secret: begins with {env: but is not of the form "{env:NAME}"`},
		{"a variable that is not set", `0a1b2c`, `a-{env:OCI_OIDC_NOT_SET}`, ":4: client_id: names the environment variable OCI_OIDC_NOT_SET, which is not set"},
		{"no redirects", `"client_id"`, `"redirect_uri": [], "client_id"`, "redirect_uri: is an empty list"},
		{"a number among redirects", `"client_id"`, `"redirect_uri": ["http://localhost:1/", 2], "client_id"`, "redirect_uri: must be text in quotes, or a list of them"},
		{"a foreign redirect among others", `"client_id"`, `"redirect_uri": ["http://localhost:1/", "https://example.com"], "client_id"`, `redirect_uri: is "https://example.com", but must be on this machine`},
		{"a redirect twice", `"client_id"`, `"redirect_uri": ["http://localhost:1/", "http://localhost:1/"], "client_id"`, "twice; remove one"},
		{"a parameter of the protocol", `"client_id"`, `"extra_params": {"State": "x"}, "client_id"`, ":4: extra_params: has state, which the sign-in sets itself"},
		{"a parameter with a key", `"client_id"`, `"extra_params": {"prompt": "x"}, "client_id"`, ":4: extra_params: has prompt, which is a key of its own"},
		{"parameters that are none", `"client_id"`, `"extra_params": {"a": 1}, "client_id"`, ":4: extra_params: must be names and texts"},
		{"max_age in quotes", `"client_id"`, `"max_age": "60", "client_id"`, ":4: max_age: must be a whole number"},
		{"max_age without openid", `"client_id"`, `"max_age": 60, "scope": "a", "client_id"`, ":4: max_age: needs openid in scope"},
		{"strictness in quotes", `"client_id"`, `"strict_id_token": "true", "client_id"`, ":4: strict_id_token: must be true or false"},
		{"prompt", `"client_id"`, `"prompt": "logon", "client_id"`, "did you mean login?"},
		{"none and more", `"client_id"`, `"prompt": "none login", "client_id"`, "none stands alone"},
		{"a resource that is none", `"client_id"`, `"resource": "llm", "client_id"`, ":4: resource: is \"llm\", but must be an absolute URI"},
		{"a life in minutes", `"client_id"`, `"scope": "a urn:opc:resource:expiry=5m", "client_id"`, ":4: scope: has urn:opc:resource:expiry=5m, but the life of a token is told in seconds"},
		{"issuer", `"client_id"`, `"issuer": "idcs", "client_id"`, ":4: issuer: is not a web address"},
		{"no comma", `"0a1b2c", `, `"0a1b2c"`, ":5: "},
		{"unclosed text", `/v1/",`, `/v1/`, ":6: the value of llm_base_url cannot be read"},
		{"garbage after comments", minimal, "// a\n// b\nhello", ":3: expected {"},
		{"comment without an end", "/* not a secret */", "/* not a secret", "is a comment not closed with */?"},
		{"backslashes", `0a1b2c`, `C:\Users`, ":4: the value of client_id cannot be read: a \\ in text is written"},
		{"a port that is none", ".com:443/", ".com:99999/", "domain_url: is not a web address"},
		{"no host", "https://llm.example.com", "https://:8443", "llm_base_url: is not a web address"},
		{"https redirect", `"client_id"`, `"redirect_uri": "https://localhost:8888/callback", "client_id"`, "but must begin with http:"},
		{"text before the secret's variable", "{file:~/.secrets/oci}", "x{env:Y}", ":5: client_secret: has text around its reference"},
		{"text after the secret's variable", "{file:~/.secrets/oci}", "{env:Y}x", ":5: client_secret: begins with {env:"},
		{"text before the secret's file", "{file:~/.secrets/oci}", "Bearer {file:/x}", ":5: client_secret: has text around its reference"},
		{"two variables of a secret", "{file:~/.secrets/oci}", "{env:Y}{env:Z}", ":5: client_secret: begins with {env:"},
		{"two files of a secret", "{file:~/.secrets/oci}", "{file:y}{file:z}", ":5: client_secret: begins with {file:"},
		{"a shell's variable", "{file:~/.secrets/oci}", "$Y", `:5: client_secret: looks like a shell's variable, which nothing replaces here; write "{env:NAME}"`},
		{"a shell's variable in braces", "{file:~/.secrets/oci}", "${Y}", ":5: client_secret: looks like a shell's variable"},
		{"a variable as Windows has it", "{file:~/.secrets/oci}", "%Y%", ":5: client_secret: looks like a shell's variable"},
		{"a shell's variable elsewhere", `"0a1b2c"`, `"${CLIENT}"`, `client_id: is ${CLIENT}, and nothing replaces a shell's variable here; write "{env:CLIENT}"`},
		{"a variable of PowerShell elsewhere", `"0a1b2c"`, `"$Env:CLIENT"`, `client_id: is $Env:CLIENT, and nothing replaces a shell's variable here; write "{env:CLIENT}"`},
		{"a variable of PowerShell in braces", `"0a1b2c"`, `"${env:CLIENT}"`, `write "{env:CLIENT}"`},
		{"a variable of PowerShell as the secret", "{file:~/.secrets/oci}", "$env:Y", ":5: client_secret: looks like a shell's variable"},
		{"an unclosed variable", `"0a1b2c"`, `"c-{env:X"`, `:4: client_id: has a reference that is not exactly of the form "{env:NAME}"`},
		{"a variable without a name", `"0a1b2c"`, `"c-{env: }"`, "client_id: has a reference that is not exactly"},
		{"a variable in capitals", `"0a1b2c"`, `"{ENV:PATH}"`, "client_id: has a reference that is not exactly"},
		{"a variable with a space before its kind", `"0a1b2c"`, `"{ env:PATH }"`, "client_id: has a reference that is not exactly"},
		{"a variable with a $", `"0a1b2c"`, `"c-${env:PATH}"`, "client_id: has a reference that is not exactly"},
		{"a variable in braces twice", `"0a1b2c"`, `"{{env:PATH}}"`, "client_id: has a reference that is not exactly"},
		{"a variable in a list", `"client_id"`, `"resource": ["https://{ENV:PATH}"], "client_id"`, "resource: has a reference that is not exactly"},
		{"a file in client_id", `"0a1b2c"`, `"{file:~/x}"`, "client_id: has a {file:…}, which works in client_secret and client_key alone; write the value itself"},
		{"a file in a parameter", `"client_id"`, `"extra_params": {"a": "x{ File : y"}, "client_id"`, "extra_params: has a {file:…}"},
		{"a file for a file", `"client_id"`, `"ca_file": "{file:~/x}", "client_id"`, ":4: ca_file: has a {file:…}"},
		{"capitals in the secret", "{file:~/.secrets/oci}", "x{ENV:Y}", ":5: client_secret: has text around its reference"},
		{"a space in the secret, unclosed", "{file:~/.secrets/oci}", "{ file:y", ":5: client_secret: has text around its reference"},
		{"unknown form of the secret", "{file:~/.secrets/oci}", "{vault:X}", "client_secret: has a form that is not known"},
		{"the secret's file as a URL", "{file:~/.secrets/oci}", "file:///x", "client_secret: has a form that is not known"},
		{"the secret's file as for curl", "{file:~/.secrets/oci}", "@~/x", "client_secret: has a form that is not known"},
		{"the secret's file alone", "{file:~/.secrets/oci}", "~/.secrets/oci", "client_secret: has a form that is not known"},
		{"the secret's variable without braces", "{file:~/.secrets/oci}", "env:Y", "client_secret: has a form that is not known"},
		{"a password manager's reference", "{file:~/.secrets/oci}", "op://vault/item", "client_secret: has a form that is not known"},
		{"a shell's command", "{file:~/.secrets/oci}", "$(cat ~/x)", "client_secret: has a form that is not known"},
		{"empty secret file name", "{file:~/.secrets/oci}", "{file: }", "client_secret: begins with {file:"},
		{"no end", "\n}\n", "\n", "the file ends before the closing }"},
		{"two objects", "\n}\n", "\n} {}\n", ":7: there is more after the closing }"},
		{"no object", minimal, "[]", ":1: expected {"},
		{"nothing", minimal, "", ":1: expected {"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.Replace(minimal, test.old, test.new, 1)
			_, err := parseConfig(storetest.Places(t), "/p/"+Name, []byte(text))
			if !problem.Is(err, problem.Config) || !strings.Contains(err.Error()+"\n", test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "/p/"+Name+":") {
				t.Errorf("the file is not named first: %v", err)
			}
		})
	}
}

// A value of the wrong kind, or one that is not JSON, is reported with the kind that its key
// wants.
func TestEachKeySaysItsKind(t *testing.T) {
	kinds := map[ValueType]string{
		Text: "must be text in quotes\n", Texts: "must be text in quotes, or a list of them in [ ]\n", Flag: "must be true or false, without quotes\n",
		Number: "must be a whole number from 0 to 2147483647, without quotes\n", Mapping: "must be names and texts in { }", Addresses: "must be names with a base URL each in { }",
	}
	right := map[string][]ValueType{
		`"7"`: {Text, Texts}, "7": {Number}, "-0": {Number}, "true": {Flag}, "[]": {Texts}, `["a"]`: {Texts}, "{}": {Mapping, Addresses}, `{"a": "b"}`: {Mapping, Addresses},
	}
	for _, value := range []string{
		`"7"`, "7", "-0", "-7", "7.5", "1e300", "1e400", "2147483648", "NaN", "Infinity", "-Infinity", "null", "true", "True", "[]", `["a"]`, "[7]", "[NaN]", "{}", `{"a": "b"}`, `{"a": 7}`, `{"a": NaN}`,
	} {
		for _, key := range Keys {
			_, err := parseConfig(storetest.Places(t), "/p/c", []byte("{\n"+quoted(key.Name)+": "+value+"\n}"))
			if strings.Contains(fmt.Sprint(err)+"\n", kinds[key.Type]) == slices.Contains(right[value], key.Type) {
				t.Errorf("%s: %s: %v", key.Name, value, err)
			}
		}
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, err := parseConfig(storetest.Places(t), "/p/c", []byte(`{"domain": "x"}`))
	for _, key := range []string{"domain: unknown key", "domain_url", "client_id", "llm_base_url", "client_secret"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not told of in: %v", key, err)
		}
	}
}

func TestValidConfigurations(t *testing.T) {
	for _, test := range []struct{ name, old, new string }{
		{"byte order mark", "{\n", "\xef\xbb\xbf{\n"},
		{"windows lines", "\n", "\r\n"},
		{"http on loopback", "https://llm.example.com", "http://127.0.0.1:4000"},
		{"level in small letters", `"client_id"`, `"log_level": "debug", "client_id"`},
		{"schema", `"client_id"`, `"$schema": "./x.json", "client_id"`},
		{"public without a secret", `"client_secret": "{file:~/.secrets/oci}"`, `"auth_method": "public_app"`},
		{"a key", `"client_secret": "{file:~/.secrets/oci}"`, `"client_key": "{env:KEY}", "client_key_id": "k"`},
		{"private_key_jwt", `"client_secret"`, `"auth_method": "private_key_jwt", "client_key"`},
		{"two redirects", `"client_id"`, `"redirect_uri": ["http://localhost:1/", "http://127.0.0.1:2/"], "client_id"`},
		{"all for the sign-in page", `"client_id"`, `"login_hint": "m", "prompt": "login consent", "max_age": 0, "client_id"`},
		{"an expiry", `"client_id"`, `"scope": "https://a/b urn:opc:resource:expiry=300", "client_id"`},
		{"mobile without a secret", `"client_secret": "{file:~/.secrets/oci}"`, `"auth_method": "mobile_app"`},
		{"signs of references that are none", `"client_id"`, `"scope": "env:a file:b {scope} {environment:x} $a%20b", "audience": "api://{tenant}/$x", "extra_params": {"claims": "{\"env\":{\"file\": $1}}"}, "resource": "https://llm.example.com/$metadata", "client_id"`},
		{"a $ in the secret", "{file:~/.secrets/oci}", "a$env:x{y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := strings.ReplaceAll(minimal, test.old, test.new)
			if _, err := parseConfig(storetest.Places(t), "/p/c", []byte(text)); err != nil {
				t.Error(err)
			}
		})
	}
}

// The log is not written into another file of this program, by whatever path log_file names it,
// and whether the configuration is the person's own or a project's.
func TestTheLogIsNoOtherFile(t *testing.T) {
	p, project := storetest.Places(t), t.TempDir()
	for _, dir := range []string{p.ConfigDirs[0], project} {
		storetest.WriteFile(t, filepath.Join(p.StateDir, "0123.json"), "{}")
		storetest.WriteFile(t, filepath.Join(dir, "ca.pem"), "x")
		storetest.WriteFile(t, filepath.Join(dir, "log"), "x")
		if err := os.Link(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.log")); err != nil {
			t.Fatal(err)
		}
		for log, refused := range map[string]bool{
			Name: true, "./x/../" + Name: true, "secret": true, "ca.pem": true, "ca.log": true, filepath.Join(p.StateDir, "0123.json"): true,
			"log": false, "new": false, p.LogFile: false,
		} {
			text := fmt.Sprintf(`{"log_file": %q, "client_secret": "{file:secret}", "ca_file": "ca.pem", "auth_method": "confidential_app",`, log)
			storetest.WriteFile(t, filepath.Join(dir, Name), strings.Replace(strings.Replace(foreignConfig, `"auth_method": "mobile_app"`, `"scope": "openid"`, 1), "{", text, 1))
			_, err := Load(p, project)
			if says := fmt.Sprint(err); strings.Contains(says, Name+":1: log_file: names ") != refused || !refused && err != nil && AsUnconfirmed(err) == nil {
				t.Errorf("log_file %s in %s: %v", log, dir, err)
			}
		}
	}
}

// Client credentials with references to environment variables, a resource and extra
// parameters.
func TestReferencesToVariables(t *testing.T) {
	t.Setenv("OCI_OIDC_TEST_CLIENT", "0a1b2c")
	t.Setenv("OCI_OIDC_TEST_FILE", "{file:0a1b2c}") // not read as a reference again
	t.Setenv("OCI_OIDC_TEST_SECRET", " s3cret\n")
	c, err := parseConfig(storetest.Places(t), "/p/c", []byte(`{
		"domain_url": "https://idcs-0123.identity.oraclecloud.com",
		"llm_base_url": "https://llm.example.com/v1",
		"auth_method": "client_credentials",
		"client_id": "{env:OCI_OIDC_TEST_CLIENT}",
		"client_secret": "{env:OCI_OIDC_TEST_SECRET}",
		"resource": "https://llm.example.com",
		"extra_params": {"tenant": "{env: OCI_OIDC_TEST_FILE }", "claims": "{\"id\":{env:OCI_OIDC_TEST_CLIENT}}"},
	}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.ClientID != "0a1b2c" || c.Scope != "" || c.ExtraParams["tenant"] != "{file:0a1b2c}" || c.ExtraParams["claims"] != `{"id":0a1b2c}` || len(c.Resources) != 1 {
		t.Errorf("%+v", c)
	}
	if text, err := c.Proof().Read(); err != nil || text.Reveal() != "s3cret" {
		t.Errorf("secret %q, %v", text.Reveal(), err)
	}
	t.Setenv("OCI_OIDC_TEST_SECRET", "")
	if _, err := c.Proof().Read(); !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "OCI_OIDC_TEST_SECRET, which client_secret names, is not set") {
		t.Errorf("an unset variable: %v", err)
	}
	if shown := string(c.Redacted()); !strings.Contains(shown, `"client_secret": "{env:OCI_OIDC_TEST_SECRET}"`) || !strings.Contains(shown, `"resource": "https://llm.example.com"`) {
		t.Errorf("shown as %s", shown)
	}
}

// A file that Notepad or PowerShell 5 saved in UTF-16, or with a byte order mark, is read.
func TestEncodingsOfWindowsEditors(t *testing.T) {
	for name, encoded := range map[string]func(string) []byte{
		"with a mark": func(text string) []byte { return []byte("\ufeff" + text) },
		"UTF-16":      func(text string) []byte { return disktest.UTF16(text, binary.LittleEndian) },
		"UTF-16, big": func(text string) []byte { return disktest.UTF16(text, binary.BigEndian) },
	} {
		p, dir := storetest.Places(t), t.TempDir()
		storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), string(encoded(strings.ReplaceAll(minimal, "\n", "\r\n"))))
		storetest.WriteFile(t, filepath.Join(p.Home, ".secrets", "oci"), string(encoded("s€cret\r\n")))
		c, err := Load(p, dir)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if secret, err := c.ClientSecret.Read(); err != nil || secret.Reveal() != "s€cret" {
			t.Errorf("%s: %q, %v", name, secret.Reveal(), err)
		}
	}
}

// An error about an address quotes no part of a password in it, whichever key has the address.
func TestNoPartOfAPasswordIsShown(t *testing.T) {
	const user, first, second = "qzxv", "4711", "Wb7kjgTz"
	p := storetest.Places(t)
	for _, key := range []string{"domain_url", "llm_base_url", "issuer", "redirect_uri", "resource", "audience", "$from", "ca_file", "log_file", "tls_client_cert"} {
		for _, between := range []string{"", "#", "/", "?", "\\", "@", "%", "%zz", " ", "\t", "[", "]", "<", "<x>", "'", "://", ":", "é"} {
			for _, form := range []string{"https://%s:%s@host.example", "http://%s:%s@localhost:1/", "%s:%s@host", "https:/%s:%s@host", "https//%s:%s@host", "https://%s:%s@host:x", "ftp://%s:%s@host", "https://host/?user=%s&password=%s"} {
				if (strings.HasSuffix(key, "_file") || key == "tls_client_cert") && !strings.Contains(form, ":/") {
					continue // a path, which may be shown
				}
				value := fmt.Sprintf(form, user, first+between+second)
				text, err := json.Marshal(map[string]string{"domain_url": "https://a.example", "client_id": "x", "auth_method": "mobile_app", "llm_base_url": "https://b.example/v1", key: value})
				if err != nil {
					t.Fatal(err)
				}
				c, err := parseConfig(p, "/p/"+Name, text)
				if err == nil && !strings.Contains(form, "?user") {
					err = errors.New(string(c.Redacted()))
				}
				for _, err := range []error{err, CheckValue(p, key, value)} {
					if err == nil {
						continue
					}
					for _, secret := range []string{user, first, second} {
						for i := range len(secret) - 3 {
							if strings.Contains(err.Error(), secret[i:i+4]) {
								t.Errorf("%s of %q: %v", key, value, err)
							}
						}
					}
				}
			}
		}
	}
}
