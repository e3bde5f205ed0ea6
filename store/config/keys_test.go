package config

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/tidwall/jsonc"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

//go:generate go test . -run TestSchemaFile -update

var update = flag.Bool("update", false, "write the schema that the package ships")

const (
	schemaFile  = "../../npm-shim/oci-auth.config.schema.json"
	exampleFile = "../../npm-shim/oci-auth.config.example.jsonc"
	keysFile    = "../../docs/configuration.md"
)

// The schema in the package is generated from Keys by "go generate ./store/config".
func TestSchemaFile(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, jsonSchema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if readFile(t, schemaFile) != string(jsonSchema()) {
		t.Errorf("%s is not what Keys say; run go generate ./store/config", schemaFile)
	}
}

// The schema that a configuration names is that of the major version that wrote it.
func TestSchemaURL(t *testing.T) {
	var manifest struct{ Name, Version string }
	if err := json.Unmarshal([]byte(readFile(t, "../../npm-shim/package.json")), &manifest); err != nil {
		t.Fatal(err)
	}
	major, _, _ := strings.Cut(manifest.Version, ".")
	if want := fmt.Sprintf("https://unpkg.com/%s@%s/%s", manifest.Name, major, filepath.Base(schemaFile)); SchemaURL != want {
		t.Errorf("%s, want %s", SchemaURL, want)
	}
}

// Keys describes exactly the keys that are read, with their defaults.
// A file that a key names is kept from the agent, whichever key names it.
func TestFilesThatKeysName(t *testing.T) {
	p := storetest.Places(t)
	for _, key := range Keys {
		path := filepath.Join(p.Home, "named")
		value := map[Trust]string{TrustSecret: "{file:" + path + "}", TrustSecretFile: path, TrustWritten: path}[key.Trust]
		if value == "" {
			continue
		}
		file := filepath.Join(p.ConfigDirs[0], Name)
		storetest.WriteFile(t, file, string(Format(map[string]string{key.Name: value})))
		named := ReadNamed(p, file)
		if key.Trust == TrustWritten && named.Log != path || key.Trust != TrustWritten && !slices.Equal(named.Secrets, []string{path}) {
			t.Errorf("%s: %+v", key.Name, named)
		}
	}
}

func TestKeysMatchTheStruct(t *testing.T) {
	var fields, described []string
	for name := range check.Fields(&configFile{}) {
		fields = append(fields, name)
	}
	for _, key := range Keys {
		described = append(described, key.Name)
	}
	slices.Sort(fields)
	slices.Sort(described)
	if !slices.Equal(fields, described) {
		t.Errorf("the struct has %v, Keys have %v", fields, described)
	}

	p := storetest.Places(t)
	written := map[string]string{"client_secret": "x"}
	for _, key := range Keys {
		if key.Required {
			written[key.Name] = key.Example
		}
	}
	text, _ := json.Marshal(written)
	storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), string(text))
	c, err := Load(p, t.TempDir())
	if err != nil {
		t.Fatalf("the required keys alone: %v", err)
	}
	for name, got := range map[string]string{"auth_method": string(c.AuthMethod), "redirect_uri": c.RedirectURIs[0], "scope": c.Scope} {
		if want := configKey(t, name).Default; got != want {
			t.Errorf("%s is %q by default, described as %q", name, got, want)
		}
	}
}

// The schema and the helper accept the same configurations, as far as a schema can express it.
func TestSchemaAndHelperAgree(t *testing.T) {
	schema := resolvedSchema(t)
	for _, test := range []struct {
		name, old, new string
		valid          bool
	}{
		{"minimal", "", "", true},
		{"unknown key", `"client_id"`, `"client_idd"`, false},
		{"number", `"0a1b2c"`, `12`, false},
		{"path in the domain", `.com:443/`, `.com/oauth2`, false},
		{"http domain", `https://idcs`, `http://idcs`, false},
		{"http on loopback", `https://llm.example.com`, `http://127.0.0.1:4000`, true},
		{"http endpoint", `https://llm`, `http://llm`, false},
		{"placeholder", `0a1b2c`, `<your-client-id>`, false},
		{"no secret", `"client_secret": "{file:~/.secrets/oci}",`, ``, false},
		{"no secret, mobile", `"client_secret": "{file:~/.secrets/oci}",`, `"auth_method": "mobile_app",`, true},
		{"a public app", `"client_secret": "{file:~/.secrets/oci}",`, `"auth_method": "public_app",`, true},
		{"a secret for a public app", `"client_id"`, `"auth_method": "public_app", "client_id"`, false},
		{"a key for a mobile app", `"client_secret"`, `"auth_method": "mobile_app", "client_key"`, false},
		{"a secret and a key", `"client_id"`, `"client_key": "{env:K}", "client_id"`, false},
		{"a key instead of a secret", `"client_secret"`, `"client_key_id": "k", "client_key"`, true},
		{"private_key_jwt", `"client_secret"`, `"auth_method": "private_key_jwt", "client_key"`, true},
		{"private_key_jwt with a secret", `"client_id"`, `"auth_method": "private_key_jwt", "client_id"`, false},
		{"client_credentials", `"client_id"`, `"auth_method": "client_credentials", "client_id"`, true},
		{"client_credentials with a hint", `"client_id"`, `"auth_method": "client_credentials", "login_hint": "m", "client_id"`, false},
		{"client_credentials without proof", `"client_secret": "{file:~/.secrets/oci}",`, `"auth_method": "client_credentials",`, false},
		{"two redirects", `"client_id"`, `"redirect_uri": ["http://localhost:1/", "http://127.0.0.1:2/"], "client_id"`, true},
		{"no redirects", `"client_id"`, `"redirect_uri": [], "client_id"`, false},
		{"a foreign redirect in a list", `"client_id"`, `"redirect_uri": ["https://example.com/cb"], "client_id"`, false},
		{"parameters", `"client_id"`, `"extra_params": {"ui_locales": "de"}, "client_id"`, true},
		{"parameters of the protocol", `"client_id"`, `"extra_params": {"state": "x"}, "client_id"`, false},
		{"max_age", `"client_id"`, `"max_age": 60, "client_id"`, true},
		{"max_age in quotes", `"client_id"`, `"max_age": "60", "client_id"`, false},
		{"prompt", `"client_id"`, `"prompt": "login consent", "client_id"`, true},
		{"bad prompt", `"client_id"`, `"prompt": "none login", "client_id"`, false},
		{"strict", `"client_id"`, `"strict_id_token": true, "client_id"`, true},
		{"a resource that is none", `"client_id"`, `"resource": "llm", "client_id"`, false},
		{"bad method", `"client_id"`, `"auth_method": "api_key", "client_id"`, false},
		{"sign_in", `"client_id"`, `"sign_in": "device", "client_id"`, true},
		{"bad sign_in", `"client_id"`, `"sign_in": "phone", "client_id"`, false},
		{"sign_in where nobody does", `"client_id"`, `"auth_method": "client_credentials", "sign_in": "paste", "client_id"`, false},
		{"endpoints", `"client_id"`, `"endpoints": {"qwen": "https://q.example/v1", "llama-3": {"base_url": "http://[::1]:4000", "name": "Llama"}}, "client_id"`, true},
		{"no endpoints", `"client_id"`, `"endpoints": {}, "client_id"`, true},
		{"endpoints in a list", `"client_id"`, `"endpoints": ["https://q.example/v1"], "client_id"`, false},
		{"an http endpoint among others", `"client_id"`, `"endpoints": {"qwen": "http://q.example/v1"}, "client_id"`, false},
		{"an http endpoint with a name", `"client_id"`, `"endpoints": {"qwen": {"base_url": "http://q.example/v1"}}, "client_id"`, false},
		{"an endpoint with a password", `"client_id"`, `"endpoints": {"qwen": "https://u:p@q.example/v1"}, "client_id"`, false},
		{"an endpoint without an address", `"client_id"`, `"endpoints": {"qwen": {"name": "Qwen"}}, "client_id"`, false},
		{"an endpoint that is a number", `"client_id"`, `"endpoints": {"qwen": 7}, "client_id"`, false},
		{"an endpoint with an empty scope", `"client_id"`, `"endpoints": {"qwen": {"base_url": "https://q.example/v1", "scope": " "}}, "client_id"`, false},
		{"an endpoint with an unknown key", `"client_id"`, `"endpoints": {"qwen": {"base_url": "https://q.example/v1", "url": "s"}}, "client_id"`, false},
		{"an endpoint with a name that is none", `"client_id"`, `"endpoints": {"Q/1": "https://q.example/v1"}, "client_id"`, false},
		{"bad level", `"client_id"`, `"log_level": "LOUD", "client_id"`, false},
		{"foreign redirect", `"client_id"`, `"redirect_uri": "https://example.com/cb", "client_id"`, false},
		{"other redirect", `"client_id"`, `"redirect_uri": "http://127.0.0.1:8765/", "client_id"`, true},
	} {
		text := strings.Replace(minimal, test.old, test.new, 1)
		p := storetest.Places(t)
		storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), text)
		_, err := Load(p, t.TempDir())
		if (err == nil) != test.valid {
			t.Errorf("%s: the helper says %v", test.name, err)
		}
		if err := validate(t, schema, text); (err == nil) != test.valid {
			t.Errorf("%s: the schema says %v", test.name, err)
		}
	}
}

// The example names every key with its default, and is valid once its placeholders are filled
// in.
func TestExampleNamesEveryKey(t *testing.T) {
	text := strings.NewReplacer("<", "", ">", "").Replace(readFile(t, exampleFile))
	if err := validate(t, resolvedSchema(t), text); err != nil {
		t.Errorf("the schema refuses the example: %v", err)
	}
	var written map[string]any
	if err := json.Unmarshal(jsonc.ToJSON([]byte(text)), &written); err != nil {
		t.Fatal(err)
	}
	for _, key := range Keys {
		switch value, ok := written[key.Name]; {
		case !ok && (key.Default != "" || !strings.Contains(text, "\n  // \""+key.Name+"\": ")):
			t.Errorf("the example lacks %s", key.Name)
		case key.Default != "" && fmt.Sprint(value) != key.Default:
			t.Errorf("the example has %s %v, the default is %q", key.Name, value, key.Default)
		}
	}
	p := storetest.Places(t)
	storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), text)
	if _, err := Load(p, t.TempDir()); err != nil {
		t.Errorf("the helper refuses the example: %v", err)
	}
}

// The table in docs/configuration.md names every key, with the same default.
func TestTableOfKeysInTheDocuments(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| `([a-z_$]+)` \\| ([^|]+) \\| ([^|]+) \\|$").FindAllStringSubmatch(readFile(t, keysFile), -1)
	defaults := map[string]string{}
	for _, row := range rows {
		defaults[row[1]] = row[2]
		if key := configKey(t, row[1]); key.Values != nil {
			for _, value := range key.Values {
				if !strings.Contains(row[3], "`"+value+"`") {
					t.Errorf("the row of %s lacks %s", key.Name, value)
				}
			}
		}
	}
	for _, key := range Keys {
		got, ok := defaults[key.Name]
		switch {
		case !ok:
			t.Errorf("the table lacks %s", key.Name)
		case key.Required && got != "required", key.Default != "" && got != "`"+key.Default+"`":
			t.Errorf("the table says %q of %s", got, key.Name)
		}
	}
}

func configKey(t *testing.T, name string) Key {
	t.Helper()
	i := slices.IndexFunc(Keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		t.Fatalf("there is no key %s", name)
	}
	return Keys[i]
}

func resolvedSchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal([]byte(readFile(t, schemaFile)), &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}

func validate(t *testing.T, schema *jsonschema.Resolved, text string) error {
	t.Helper()
	var value any
	if err := json.Unmarshal(jsonc.ToJSON([]byte(text)), &value); err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
