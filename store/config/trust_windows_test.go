package config

import (
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

// A project's configuration opens no path on another machine, whatever key names it, before or
// after it is confirmed, and neither does the guard when it judges the paths in it. A named
// pipe stands for the other machine: it notices who opens it.
func TestProjectConfigurationOpensNoNetworkPath(t *testing.T) {
	files := 0
	for i, key := range Keys {
		spellings := []string{`\\.\pipe\opencode-oci-oidc-`, `//./pipe/opencode-oci-oidc-`, `\\?\pipe\opencode-oci-oidc-`}
		isFile := key.Trust != TrustValue && key.Trust != TrustHarmless && key.Trust != TrustOwn
		if isFile {
			files++
		} else {
			spellings = spellings[:1]
		}
		for j, name := range spellings {
			name += strconv.Itoa(10*i + j)
			path := `\\.\pipe\` + filepath.Base(name)
			if server := pipe(t, path); server != 0 {
				defer windows.CloseHandle(server)
			}
			var value any = name
			switch {
			case key.Trust == TrustSecret:
				value = "{file:" + name + "}"
			case key.Type == Mapping:
				value = map[string]any{"x": name}
			case key.Type == Addresses:
				value = map[string]any{"x": name, "y": map[string]any{"base_url": name}}
			}
			keys := map[string]any{"domain_url": "https://idcs-evil.example", "client_id": "0a1b2c", "auth_method": "mobile_app", "llm_base_url": "https://llm.evil.example/v1"}
			keys[key.Name] = value
			text, err := json.Marshal(keys)
			if err != nil {
				t.Fatal(err)
			}
			p, dir := storetest.Places(t), t.TempDir()
			for _, trusted := range []string{dir, ""} {
				if p.TrustedProject = trusted; trusted == "" && !isFile {
					break // once is enough
				}
				_, u, err := loadProject(t, p, dir, string(text))
				if isFile && (u != nil || !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "no file on another machine")) {
					t.Errorf("%s: %v: %v", key.Name, value, err)
				}
				if named := ReadNamed(p, filepath.Join(dir, Name)); named.Log != "" || len(named.Secrets) > 0 {
					t.Errorf("%s: %v: the guard is to look at %+v", key.Name, value, named)
				}
			}
			if !unopened(t, path) {
				t.Errorf("%s: %v was opened", key.Name, value)
			}
			if !isFile {
				continue
			}
			// The person's own configuration may name it.
			p.TrustedProject = ""
			storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), string(text))
			if _, err := Load(p, t.TempDir()); err != nil && strings.Contains(err.Error(), "another machine") {
				t.Errorf("%s: %v in the person's own configuration: %v", key.Name, value, err)
			}
		}
	}
	if files == 0 {
		t.Error("no key names a file")
	}
}

// pipe makes a named pipe that accepts one client.
func pipe(t *testing.T, path string) windows.Handle {
	t.Helper()
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	server, err := windows.CreateNamedPipe(name, windows.PIPE_ACCESS_DUPLEX, windows.PIPE_TYPE_BYTE, 1, 64, 64, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// unopened reports whether a pipe has had no client yet, by connecting to it.
func unopened(t *testing.T, path string) bool {
	t.Helper()
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	client, err := windows.CreateFile(name, windows.GENERIC_READ, 0, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		return false
	}
	_ = windows.CloseHandle(client)
	return true
}
