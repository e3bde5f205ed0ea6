package store

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestGuard(t *testing.T) {
	p := testPlaces(t)
	project := filepath.Join(p.Home, "project")
	secretFile := filepath.Join(p.Home, "elsewhere", "oci.txt")
	writeFile(t, secretFile, "s3cret")
	writeFile(t, filepath.Join(p.Home, ".secrets", "other"), "x")
	writeFile(t, filepath.Join(p.StateDir, "a.json"), "{}")
	writeFile(t, filepath.Join(project, ConfigName), `{"client_secret": "{file:~/elsewhere/oci.txt}"}`)
	writeFile(t, filepath.Join(p.ConfigDirs[0], ConfigName), `{"client_secret": "plain"}`)
	writeFile(t, filepath.Join(project, "src", "main.go"), "package main")
	if err := os.Symlink(filepath.Join(p.Home, ".secrets"), filepath.Join(project, "link")); err != nil {
		t.Skip("links cannot be made here:", err)
	}
	g := p.NewGuard(project)

	for _, test := range []struct {
		tool string
		args toolArgs
		deny bool
	}{
		{"read", toolArgs{FilePath: filepath.Join(p.Home, ".secrets", "other")}, true},
		{"read", toolArgs{FilePath: "~/.secrets/new"}, true},
		{"read", toolArgs{FilePath: "../.secrets/other"}, true},
		{"read", toolArgs{FilePath: "link/other"}, true},
		{"write", toolArgs{FilePath: "link/new"}, true},
		{"edit", toolArgs{FilePath: secretFile}, true},
		{"read", toolArgs{FilePath: filepath.Join(p.StateDir, "a.json")}, true},
		{"read", toolArgs{FilePath: filepath.Join(p.ConfigDirs[0], ConfigName)}, true},
		{"read", toolArgs{FilePath: ConfigName}, false}, // names the secret's file, holds none
		{"read", toolArgs{FilePath: "src/main.go"}, false},
		{"write", toolArgs{FilePath: "src/new/file.go"}, false},
		{"grep", toolArgs{Pattern: "x", Path: p.Home}, true},
		{"grep", toolArgs{Pattern: "x", Path: "link"}, true},
		{"grep", toolArgs{Pattern: "x"}, false},
		{"glob", toolArgs{Pattern: "*", Path: "~/.secrets"}, true},
		{"glob", toolArgs{Pattern: "link/*"}, true},
		{"glob", toolArgs{Pattern: "**/*.go"}, false},
		{"bash", toolArgs{Command: "cat ~/.secrets/other"}, true},
		{"bash", toolArgs{Command: "cat $HOME/elsewhere/oci.txt"}, true},
		{"bash", toolArgs{Command: "ls", Workdir: filepath.Join(p.Home, ".secrets")}, true},
		{"bash", toolArgs{Command: "cat " + p.StateDir + "/a.json"}, true},
		{"bash", toolArgs{Command: "go test ./..."}, false},
		{"bash", toolArgs{Command: "npm view opencode-oci-oidc"}, false},
		{"bash", toolArgs{Command: "ls ~/.local/state/opencode-oci-oidc"}, true},
		{"glob", toolArgs{Pattern: filepath.Join(p.Home, ".secrets", "*")}, true},
		{"apply_patch", toolArgs{PatchText: "*** Update File: " + secretFile}, true},
		{"webfetch", toolArgs{Path: "~/.secrets"}, false},
	} {
		args, err := json.Marshal(test.args)
		if err != nil {
			t.Fatal(err)
		}
		if reason := g.Deny(test.tool, args); (reason != "") != test.deny {
			t.Errorf("%s %s: %q, want denied: %v", test.tool, args, reason, test.deny)
		}
	}
}

func TestGuardReadsWhatItCan(t *testing.T) {
	g := testPlaces(t).NewGuard(t.TempDir())
	if g.Deny("read", json.RawMessage(`{"filePath":"~/.secrets/x","path":1}`)) == "" {
		t.Error("an argument of another type opens the door")
	}
}

func TestGuardKeepsAProjectsOwnSecretFromGrep(t *testing.T) {
	p, project := testPlaces(t), t.TempDir()
	writeFile(t, filepath.Join(project, ConfigName), `{"client_secret": "plain"}`)
	writeFile(t, filepath.Join(project, "src", "x"), "")
	g := p.NewGuard(project)
	if g.Deny("grep", json.RawMessage(`{"pattern":"x"}`)) == "" {
		t.Error("grep over the project was allowed")
	}
	if reason := g.Deny("grep", json.RawMessage(`{"pattern":"x","path":"src"}`)); reason != "" {
		t.Error(reason)
	}
}
