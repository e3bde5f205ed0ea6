//go:build unix

package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

// managedPlaces returns the places of a person on a machine whose administrator has installed
// this configuration.
func managedPlaces(t *testing.T, text string) (p store.Places, path string) {
	t.Helper()
	p = storetest.Places(t)
	p.ManagedDir, p.Administrator = t.TempDir(), os.Geteuid()
	path = filepath.Join(p.ManagedDir, Name)
	storetest.WriteFile(t, path, text)
	return p, path
}

// The administrator's file is enough by itself. It is the last one in the search order.
func TestManagedFileIsLastInTheSearchOrder(t *testing.T) {
	for _, managed := range []string{"", `"managed": true`} {
		text := wholeConfig("company")
		if managed != "" {
			text = wholeConfig("company", managed)
		}
		p, path := managedPlaces(t, text)
		c, err := Load(p, t.TempDir())
		if err != nil || c.Path != path || c.ClientID != "company" || !Own(p, path) {
			t.Fatalf("%q alone: %+v, %v", managed, c, err)
		}
		if origins := strings.Join(c.Origins(), "\n"); (managed != "") != strings.Contains(origins, "managed by "+path+": auth_method, domain_url, client_id, llm_base_url") {
			t.Errorf("%q alone: %s", managed, origins)
		}
		own := filepath.Join(p.ConfigDirs[0], Name)
		storetest.WriteFile(t, own, wholeConfig("maria"))
		c, err = Load(p, t.TempDir())
		want := map[string]string{"": "maria", `"managed": true`: "company"}[managed]
		if err != nil || c.Path != own || c.ClientID != want || c.DomainURL != "https://"+want+".example.com" {
			t.Errorf("%q beside the person's: %+v, %v", managed, c, err)
		}
	}
}

// No key that the administrator sets can be changed by a person's file or a project's,
// confirmed or not, and every command that shows the configuration says so.
func TestManagedKeysCannotBeChanged(t *testing.T) {
	values := map[string][2]string{ // the administrator's and the other one's
		"domain_url":        {`"https://company.example.com"`, `"https://other.example.com"`},
		"client_id":         {`"company"`, `"other"`},
		"client_secret":     {`"{file:secret}"`, `"{file:other}"`},
		"client_key":        {`"{file:key}"`, `"{file:other}"`},
		"client_key_id":     {`"a"`, `"b"`},
		"auth_method":       {`"public_app"`, `"mobile_app"`},
		"sign_in":           {`"paste"`, `"device"`},
		"redirect_uri":      {`"http://localhost:1/"`, `["http://localhost:2/", "http://localhost:3/"]`},
		"scope":             {`"openid a"`, `"openid b"`},
		"resource":          {`["https://a", "https://b"]`, `"https://c"`},
		"audience":          {`"a"`, `"b"`},
		"login_hint":        {`"a"`, `"b"`},
		"prompt":            {`"login"`, `"consent"`},
		"max_age":           {`1`, `2`},
		"extra_params":      {`{"a": "1"}`, `{"b": "2"}`},
		"issuer":            {`"https://a.example.com"`, `"https://b.example.com"`},
		"strict_id_token":   {`true`, `false`},
		"llm_base_url":      {`"https://company-llm.example.com/v1"`, `"https://other-llm.example.com/v1"`},
		"endpoints":         {`{"a": "https://a.example.com/v1"}`, `{"b": "https://b.example.com/v1"}`},
		"ca_file":           {`"ca.pem"`, `"other.pem"`},
		"tls_client_cert":   {`"a.crt"`, `"b.crt"`},
		"tls_client_key":    {`"a.key"`, `"b.key"`},
		"token_store":       {`"keyring"`, `"file"`},
		"log_level":         {`"ERROR"`, `"VERBOSE"`},
		"log_file":          {`"a.log"`, `"b.log"`},
		"allow_agent_token": {`false`, `true`},
	}
	for _, key := range Keys {
		if slices.Contains(aboutItself, key.Name) {
			continue
		}
		value, known := values[key.Name]
		if !known {
			t.Errorf("this test has no values for %s", key.Name)
			continue
		}
		// Other keys that this key needs.
		with := map[string]string{"client_key_id": `"client_key": "{file:key}"`, "tls_client_key": `"tls_client_cert": "a.crt"`}[key.Name]
		method := map[bool]string{true: "confidential_app", false: "mobile_app"}[slices.Contains([]string{"client_secret", "client_key", "client_key_id"}, key.Name)]
		base := map[string]string{"auth_method": `"` + method + `"`, "domain_url": values["domain_url"][1], "client_id": values["client_id"][1], "llm_base_url": values["llm_base_url"][1]}
		text := func(value string) string {
			keys := map[string]string{}
			for name, value := range base {
				keys[name] = value
			}
			keys[key.Name] = value
			var pairs []string
			for name, value := range keys {
				pairs = append(pairs, fmt.Sprintf("%q: %s", name, value))
			}
			if with != "" {
				pairs = append(pairs, with)
			}
			return "{" + strings.Join(pairs, ", ") + "}"
		}
		decided := fmt.Sprintf(`{"managed": true, %q: %s}`, key.Name, value[0])
		p, path := managedPlaces(t, decided)
		// What the key changes if both files have the same value.
		alone, alonePath := managedPlaces(t, text(value[0]))
		want, err := Load(alone, t.TempDir())
		if err != nil {
			t.Fatalf("%s: %v", key.Name, err)
		}
		shown := func(c Config, dir string) string {
			var all map[string]json.RawMessage
			if err := json.Unmarshal(c.Redacted(), &all); err != nil {
				t.Fatal(err)
			}
			return strings.ReplaceAll(string(all[key.Name]), dir, "DIR")
		}
		project := t.TempDir()
		for _, where := range []string{filepath.Join(p.ConfigDirs[0], Name), filepath.Join(project, Name)} {
			if strings.HasPrefix(where, project) && key.Name == "allow_agent_token" {
				continue // which no project's may have
			}
			p.TrustedProject = project
			storetest.WriteFile(t, where, text(value[1]))
			c, err := Load(p, project)
			if err != nil || c.Path != where {
				t.Errorf("%s in %s: %v", key.Name, where, err)
				continue
			}
			if got, want := shown(c, p.ManagedDir), shown(want, filepath.Dir(alonePath)); got != want {
				t.Errorf("%s in %s: it is %s, want %s", key.Name, where, got, want)
			}
			if !slices.Equal(c.Managed.Overruled, []string{key.Name}) || c.Source(key.Name) != path {
				t.Errorf("%s in %s: %+v, from %s", key.Name, where, c.Managed, c.Source(key.Name))
			}
			if said := strings.Join(c.Origins(), "\n"); !strings.Contains(said, "managed by "+path+": "+key.Name+"\n") ||
				!strings.Contains(said, key.Name+" has no effect in "+where) {
				t.Errorf("%s: %s", key.Name, said)
			}
		}
	}
}

// If the administrator sets the endpoints, even to none, tokens go to no other endpoint.
func TestManagedEndpointsAreTheOnlyOnes(t *testing.T) {
	for _, row := range []struct{ managed, want string }{
		{`{}`, ""},
		{`{"a": "https://a.example.com/v1"}`, "https://a.example.com/v1"},
	} {
		p, _ := managedPlaces(t, `{"managed": true, "endpoints": `+row.managed+`}`)
		storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), wholeConfig("maria", `"endpoints": {"a": "https://b.example.com/v1", "b": "https://b.example.com/v1"}`))
		c, err := Load(p, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		var others []string
		for _, other := range c.Others {
			others = append(others, other.BaseURL)
		}
		if got := strings.Join(others, " "); got != row.want || !slices.Equal(c.Managed.Overruled, []string{"endpoints"}) {
			t.Errorf("%s: %q, %+v", row.managed, got, c.Managed)
		}
	}
}

// A managed file that somebody else can change is refused, with the reason. The person's own
// configuration does not change that, because the managed file may restrict it.
func TestManagedFileThatOthersCanWriteIsRefused(t *testing.T) {
	outside := t.TempDir()
	storetest.WriteFile(t, filepath.Join(outside, Name), wholeConfig("company"))
	for _, row := range []struct {
		name, why string
		spoil     func(t *testing.T, p *store.Places, path string) error
	}{
		{"a file that others can write", "can be written by others (mode 0666)", func(_ *testing.T, _ *store.Places, path string) error { return os.Chmod(path, 0o666) }},
		{"a file that a group can write", "can be written by others (mode 0620)", func(_ *testing.T, _ *store.Places, path string) error { return os.Chmod(path, 0o620) }},
		{"a directory that others can write", "can be written by others (mode 0777)", func(_ *testing.T, p *store.Places, _ string) error { return os.Chmod(p.ManagedDir, 0o777) }},
		{"a directory that others can add to", "can be written by others (mode 0777)", func(_ *testing.T, p *store.Places, _ string) error {
			return os.Chmod(p.ManagedDir, 0o777|os.ModeSticky)
		}},
		{"a directory above it that others can write", "can be written by others (mode 0777)", func(t *testing.T, p *store.Places, path string) error {
			p.ManagedDir = filepath.Join(p.ManagedDir, "opencode")
			storetest.WriteFile(t, filepath.Join(p.ManagedDir, Name), wholeConfig("company"))
			return os.Chmod(filepath.Dir(p.ManagedDir), 0o777)
		}},
		{"a link to a file in a directory that others can write", "can be written by others (mode 0777)", func(t *testing.T, _ *store.Places, path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			if err := os.Symlink(filepath.Join(outside, Name), path); err != nil {
				return err
			}
			return os.Chmod(outside, 0o777)
		}},
		{"a link to a link in a directory that others can write", "can be written by others (mode 0777)", func(t *testing.T, p *store.Places, path string) error {
			middle := filepath.Join(t.TempDir(), "link")
			if err := os.Rename(path, path+".real"); err != nil {
				return err
			}
			if err := os.Symlink(path+".real", middle); err != nil {
				return err
			}
			if err := os.Symlink(middle, path); err != nil {
				return err
			}
			return os.Chmod(filepath.Dir(middle), 0o777)
		}},
		{"a file of somebody else", "belongs to somebody who is no administrator", func(t *testing.T, p *store.Places, path string) error {
			if os.Geteuid() != 0 {
				p.Administrator = 0
				return nil
			}
			return os.Chown(path, 12345, 12345)
		}},
		{"a directory of somebody else", "belongs to somebody who is no administrator", func(t *testing.T, p *store.Places, path string) error {
			if os.Geteuid() != 0 {
				p.Administrator = 0
				return nil
			}
			return os.Chown(p.ManagedDir, 12345, 12345)
		}},
	} {
		for _, own := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, own %v", row.name, own), func(t *testing.T) {
				p, path := managedPlaces(t, wholeConfig("company", `"managed": true`))
				if own {
					storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), wholeConfig("maria"))
				}
				if _, err := Load(p, t.TempDir()); err != nil {
					t.Fatalf("as the administrator left it: %v", err)
				}
				if err := row.spoil(t, &p, path); err != nil {
					t.Fatal(err)
				}
				c, err := Load(p, t.TempDir())
				if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), row.why) || !strings.Contains(err.Error(), managedPath(p)) || c.ClientID != "" {
					t.Errorf("%+v, %v", c, err)
				}
				project := t.TempDir()
				p.TrustedProject = project
				storetest.WriteFile(t, filepath.Join(project, Name), wholeConfig("project"))
				if c, err := Load(p, project); !problem.Is(err, problem.Config) || c.ClientID != "" {
					t.Errorf("a project's beside it: %+v, %v", c, err)
				}
			})
		}
	}
}

// A sticky directory above the managed one, such as /tmp, is allowed: in it, nobody can rename
// files of others.
func TestManagedFileBelowAStickyDirectory(t *testing.T) {
	p, _ := managedPlaces(t, wholeConfig("above"))
	if err := os.Chmod(p.ManagedDir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	p.ManagedDir = filepath.Join(p.ManagedDir, "opencode")
	storetest.WriteFile(t, filepath.Join(p.ManagedDir, Name), wholeConfig("company"))
	if c, err := Load(p, t.TempDir()); err != nil || c.ClientID != "company" {
		t.Errorf("%+v, %v", c, err)
	}
}

// A mistake is reported with its file and line, whether the person or the administrator made
// it.
func TestMistakesNameFileAndLine(t *testing.T) {
	for _, row := range []struct{ managed, own, want string }{
		{"{\n\"managed\": true, \"domain_url\": \"http://company.example.com\"}", wholeConfig("maria"), "MANAGED:2: domain_url: is http:"},
		{"{\n\"managed\": true, \"endpoints\":\n{\"qwen\": \"http://company.example.com\"}}", wholeConfig("maria"), "MANAGED:3: endpoints.qwen: is http:"},
		{`{"managed": true, "client_id": "x"}`, wholeConfig("maria", "\n\"endpoints\": {\"qwen\": \"http://company.example.com\"}"), "OWN:2: endpoints.qwen: is http:"},
		{"{\n\"managed\": true, \"domain\": 1}", wholeConfig("maria"), "MANAGED:2: domain: unknown key"},
		{"{\n\"managed\": true,,", wholeConfig("maria"), "MANAGED:2: "},
		{`{"managed": true, "auth_method": "mobile_app"}`, strings.Replace(wholeConfig("maria"), `"mobile_app"`, `"confidential_app",`+"\n"+`"client_secret": "x"`, 1),
			"OWN:2: client_secret: is set, but a mobile_app has none"},
		{wholeConfig("company"), wholeConfig("maria", "\n\"managed\": true"), "OWN:2: managed: is for the administrator's file alone"},
	} {
		p, path := managedPlaces(t, row.managed)
		own := filepath.Join(p.ConfigDirs[0], Name)
		storetest.WriteFile(t, own, row.own)
		_, err := Load(p, t.TempDir())
		if err == nil {
			t.Errorf("%s beside %s: no problem", row.managed, row.own)
			continue
		}
		said := strings.NewReplacer(path, "MANAGED", own, "OWN").Replace(err.Error())
		if !strings.Contains(said, row.want) {
			t.Errorf("%s beside %s: %s", row.managed, row.own, said)
		}
	}
}

// A project's file is confirmed for the keys that it decides itself. A key that the
// administrator sets does not change the confirmation; if the administrator no longer sets it,
// a new confirmation is needed.
func TestConfirmationCoversWhatTheProjectDecides(t *testing.T) {
	p, path := managedPlaces(t, `{"managed": true, "client_id": "company"}`)
	dir := t.TempDir()
	storetest.WriteFile(t, filepath.Join(dir, Name), wholeConfig("project"))
	_, err := Load(p, dir)
	u := AsUnconfirmed(err)
	if u == nil || u.Config.ClientID != "company" {
		t.Fatalf("%+v, %v", u, err)
	}
	if err := Confirm(p, u); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		managed string
		holds   bool
	}{
		{`{"managed": true, "client_id": "company"}`, true},
		{`{"managed": true, "client_id": "another"}`, true},
		{`{"managed": true}`, false},
		{`{"client_id": "company"}`, false},
	} {
		storetest.WriteFile(t, path, row.managed)
		if _, err := Load(p, dir); (err == nil) != row.holds || err != nil && AsUnconfirmed(err) == nil {
			t.Errorf("%s: %v", row.managed, err)
		}
	}
}

// Relative paths in the administrator's file begin in its directory, and the restrictions on a
// project's paths do not apply to them.
func TestManagedPathsAreRelativeToTheManagedDirectory(t *testing.T) {
	p, _ := managedPlaces(t, `{"managed": true, "auth_method": "confidential_app", "client_secret": "{file:secret}", "log_file": "log"}`)
	storetest.WriteFile(t, filepath.Join(p.ManagedDir, "secret"), "s3cret")
	dir := t.TempDir()
	p.TrustedProject = dir
	storetest.WriteFile(t, filepath.Join(dir, Name), wholeConfig("project"))
	c, err := Load(p, dir)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := c.ClientSecret.Read(); err != nil || text.Reveal() != "s3cret" || c.LogFile != filepath.Join(p.ManagedDir, "log") {
		t.Errorf("%q, %v, log %s", text.Reveal(), err, c.LogFile)
	}
}

// The environment changes neither the managed directory nor who counts as an administrator.
func TestEnvironmentCannotMoveTheManagedDirectory(t *testing.T) {
	want := store.FindPlaces()
	if want.ManagedDir == "" || want.Administrator != 0 {
		t.Fatalf("%+v", want)
	}
	for _, name := range []string{"OPENCODE_TEST_MANAGED_CONFIG_DIR", "ProgramData", "PROGRAMDATA", "XDG_CONFIG_DIRS", "HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, t.TempDir())
	}
	if got := store.FindPlaces(); got.ManagedDir != want.ManagedDir || got.Administrator != 0 {
		t.Errorf("%+v", got)
	}
}

// The published configuration is compared with the person's, except for their own keys and for
// those that the administrator sets.
func TestPublishedConfigurationIsNewer(t *testing.T) {
	p, path := managedPlaces(t, `{"managed": true, "scope": "openid company"}`)
	own := filepath.Join(p.ConfigDirs[0], Name)
	text := "{}"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
	t.Cleanup(server.Close)
	storetest.WriteFile(t, own, wholeConfig("company", `"log_level": "DEBUG"`, `"$from": "`+server.URL+`"`))
	for _, row := range []struct {
		published string
		want      []string
	}{
		{wholeConfig("company"), nil},
		{wholeConfig("company", `"scope": "openid other"`, `"$schema": "x"`), nil},
		{wholeConfig("company", `"audience": "a"`), []string{"audience"}},
		{wholeConfig("other"), []string{"domain_url", "client_id", "llm_base_url"}},
	} {
		text = row.published
		c, err := Load(p, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Outdated(t.Context(), p)
		slices.Sort(got)
		slices.Sort(row.want)
		if err != nil || !slices.Equal(got, row.want) {
			t.Errorf("%s: %q, %v", row.published, got, err)
		}
	}
	if at, values, err := ManagedValues(p); err != nil || at != path || !maps.Equal(values, map[string]string{"scope": "openid company"}) {
		t.Errorf("managed: %s, %v, %v", at, values, err)
	}
	if err := os.WriteFile(path, []byte(`{"scope": "openid company"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if at, values, err := ManagedValues(p); err != nil || at != "" || values != nil {
		t.Errorf("not managed: %s, %v, %v", at, values, err)
	}
}
