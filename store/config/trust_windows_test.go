package config

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

// A project's configuration opens no path on another machine, before or after it is confirmed,
// and neither does the guard when it judges the paths in it. A named pipe stands for the other
// machine: it notices who opens it.
func TestProjectConfigurationOpensNoNetworkPath(t *testing.T) {
	const name = `\\.\pipe\opencode-oci-oidc-`
	for i, row := range []struct{ key, prefix, suffix string }{
		{"ca_file", "", ""},
		{"tls_client_cert", "", ""},
		{"tls_client_key", "", ""},
		{"log_file", "", ""},
		{"client_secret", "{file:", "}"},
		{"client_key", "{file:", "}"},
	} {
		for j, written := range []string{name, strings.ReplaceAll(name, `\`, "/"), `\\?\pipe\opencode-oci-oidc-`} {
			number := strconv.Itoa(10*i + j)
			path := name + number
			if server := pipe(t, path); server != 0 {
				defer windows.CloseHandle(server)
			}
			p, dir := storetest.Places(t), t.TempDir()
			said := quoted(row.key) + ": " + quoted(row.prefix+written+number+row.suffix)
			text := strings.Replace(foreignConfig, `"client_id"`, said+`, "client_id"`, 1)
			for _, trusted := range []string{"", dir} {
				p.TrustedProject = trusted
				_, u, err := loadProject(t, p, dir, text)
				if u != nil || !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), "no file on another machine") {
					t.Errorf("%s %s: %v", row.key, written, err)
				}
				if named := ReadNamed(p, filepath.Join(dir, Name)); named.Log != "" || len(named.Secrets) > 0 {
					t.Errorf("%s %s: the guard is to look at %+v", row.key, written, named)
				}
			}
			if !unopened(t, path) {
				t.Errorf("%s %s was opened", row.key, written)
			}
			// The person's own configuration may name it.
			p.TrustedProject = ""
			storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], Name), text)
			if _, err := Load(p, t.TempDir()); err != nil && strings.Contains(err.Error(), "another machine") {
				t.Errorf("%s %s in the person's own configuration: %v", row.key, written, err)
			}
		}
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
