package guard

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

// guarded makes a home with secrets of every kind, and a project without any.
func guarded(t *testing.T) (p store.Places, project string) {
	t.Helper()
	p = storetest.Places(t)
	p.LogFile = filepath.Join(p.Home, "oci-oidc-debug.log")
	project = filepath.Join(p.Home, "project")
	storetest.WriteFile(t, filepath.Join(p.Home, "elsewhere", "oci.txt"), "s3cret")
	storetest.WriteFile(t, filepath.Join(p.Home, ".secrets", "other"), "x")
	storetest.WriteFile(t, filepath.Join(p.StateDir, "a.json"), "{}")
	storetest.WriteFile(t, filepath.Join(project, config.Name), `{"client_secret": "{file:~/elsewhere/oci.txt}", "tls_client_key": "~/elsewhere/client.key"}`)
	storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], config.Name), `{"client_id": "x"}`)
	storetest.WriteFile(t, filepath.Join(project, "src", "main.go"), "package main")
	storetest.WriteFile(t, p.LogFile, "")
	if err := os.Symlink(filepath.Join(p.Home, ".secrets"), filepath.Join(project, "link")); err != nil {
		t.Skip("links cannot be made here:", err)
	}
	if err := os.Symlink(filepath.Join(p.Home, ".secrets", "new"), filepath.Join(project, "dangling")); err != nil {
		t.Fatal(err)
	}
	if !linked(project) {
		t.Run("links", func(t *testing.T) { t.Skip("wine makes no symbolic links: what leads through one was not tried") })
	}
	if err := os.Link(filepath.Join(p.StateDir, "a.json"), filepath.Join(project, "hard.json")); err != nil {
		t.Fatal(err)
	}
	return p, project
}

// linked reports whether the symbolic links of a guarded project work: wine creates some that
// do not.
func linked(project string) bool {
	_, err := os.Stat(filepath.Join(project, "link", "other"))
	return err == nil
}

// absent reports whether a path needs something that this system does not have: a symbolic
// link under wine, or /proc.
func absent(path, project string) bool {
	return runtime.GOOS == "windows" && strings.Contains(path, "/proc/") ||
		!linked(project) && (strings.Contains(path, "link/") || strings.Contains(path, "dangling"))
}

func deny(g *Guard, tool string, args any) string {
	text, _ := json.Marshal(args)
	return g.Deny(tool, text)
}

func TestGuardOfPaths(t *testing.T) {
	p, project := guarded(t)
	g := New(p, project)
	secretFile := filepath.Join(p.Home, "elsewhere", "oci.txt")
	own := filepath.Join(p.ConfigDirs[0], config.Name)
	for _, test := range []struct {
		tool string
		args toolArgs
		deny bool
	}{
		{"read", toolArgs{FilePath: filepath.Join(p.Home, ".secrets", "other")}, true},
		{"read", toolArgs{FilePath: "~/.secrets/new"}, true},
		{"read", toolArgs{FilePath: "~/.SECRETS/other"}, true},
		{"read", toolArgs{FilePath: "../.secrets/other"}, true},
		{"read", toolArgs{FilePath: "../project/../.secrets"}, true},
		{"read", toolArgs{FilePath: "link/other"}, true},
		{"read", toolArgs{FilePath: "hard.json"}, true},
		{"read", toolArgs{FilePath: "file://" + secretFile}, true},
		{"lsp", toolArgs{FilePath: secretFile}, true},
		{"write", toolArgs{FilePath: "link/new"}, true},
		{"write", toolArgs{FilePath: "dangling"}, true},
		{"edit", toolArgs{FilePath: secretFile}, true},
		{"read", toolArgs{FilePath: filepath.Join(p.Home, "elsewhere", "client.key")}, true},
		{"multiedit", toolArgs{FilePath: secretFile}, true},
		{"list", toolArgs{Path: "~/.secrets"}, true},
		{"read", toolArgs{FilePath: filepath.Join(p.StateDir, "a.json")}, true},
		{"read", toolArgs{FilePath: "~/.local/share/opencode/auth.json"}, true},
		{"read", toolArgs{FilePath: "/proc/self/environ"}, true},
		{"read", toolArgs{FilePath: "/proc/1/task/1/mem"}, true},
		{"read", toolArgs{FilePath: "/proc/self/root" + secretFile}, true},
		{"read", toolArgs{FilePath: "/proc/cpuinfo"}, false},
		{"read", toolArgs{FilePath: "/proc/self/status"}, false},
		{"read", toolArgs{FilePath: own}, false}, // holds no secret
		{"edit", toolArgs{FilePath: own}, true},  // takes effect without confirmation
		{"read", toolArgs{FilePath: p.LogFile}, false},
		{"write", toolArgs{FilePath: p.LogFile}, true},
		{"read", toolArgs{FilePath: config.Name}, false}, // names the secret's file, holds none
		{"edit", toolArgs{FilePath: config.Name}, false},
		{"read", toolArgs{FilePath: "src/main.go"}, false},
		{"write", toolArgs{FilePath: "src/new/file.go"}, false},
		{"grep", toolArgs{Pattern: "x", Path: p.Home}, true},
		{"grep", toolArgs{Pattern: "x", Path: p.Home, Include: "*.go"}, false},
		{"grep", toolArgs{Pattern: "x", Path: p.Home, Include: "*.{go,json}"}, true},
		{"grep", toolArgs{Pattern: "x", Path: "link"}, true},
		{"grep", toolArgs{Pattern: "x"}, false},
		{"glob", toolArgs{Pattern: "*", Path: "~/.secrets"}, true},
		{"glob", toolArgs{Pattern: "link/*"}, true},
		{"glob", toolArgs{Pattern: "**/*", Path: "~"}, true},
		{"glob", toolArgs{Pattern: "**/oci.*", Path: "~"}, true},
		{"glob", toolArgs{Pattern: "**/*.go", Path: "~"}, false},
		{"glob", toolArgs{Pattern: "**/*.go"}, false},
		{"glob", toolArgs{Pattern: filepath.Join(p.Home, ".secrets", "*")}, true},
		{"apply_patch", toolArgs{PatchText: "*** Begin Patch\n*** Update File: " + secretFile}, true},
		{"apply_patch", toolArgs{PatchText: "*** Update File: src/main.go\n*** Move to: link/main.go"}, true},
		{"patch", toolArgs{PatchText: "--- a/link/other\n+++ b/link/other\n"}, true},
		{"apply_patch", toolArgs{PatchText: "*** Update File: README.md\n+the secret is in " + secretFile}, false},
		{"webfetch", toolArgs{Path: "~/.secrets"}, false},
	} {
		if absent(test.args.FilePath+test.args.Path+"/"+test.args.Pattern+test.args.PatchText, project) {
			continue
		}
		if reason := deny(g, test.tool, test.args); (reason != "") != test.deny {
			t.Errorf("%s %+v: %q, want denied: %v", test.tool, test.args, reason, test.deny)
		}
	}
}

// forPOSIX skips a test of commands that a POSIX shell understands.
func forPOSIX(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("on Windows, commands are judged by their words: TestGuardOfWindowsCommands")
	}
}

func TestGuardOfCommands(t *testing.T) {
	forPOSIX(t)
	p, project := guarded(t)
	t.Setenv("OCI_OIDC_HELPER", "/opt/oci-oidc-helper")
	t.Setenv("STATE", p.StateDir)
	g := New(p, project)
	state := p.StateDir
	up := filepath.ToSlash(filepath.Dir(state))
	for _, command := range []string{
		"cat ~/.secrets/other",
		"cat $HOME/elsewhere/oci.txt",
		"cat ${HOME}/elsewhere/oci.txt",
		"cat " + state + "/a.json",
		"cat " + up + "/*/*",
		"cat " + up + "/open*/*.json",
		"cat \"$STATE\"/a.json",
		"cat ~/'.sec'rets/\"other\"",
		`cat ~/.sec\rets/other`,
		`cat $'/proc/self/\x65nviron'`,
		"cat ~/{.secrets,x}/other",
		"cat ~/.s*/other",
		"cat ~/.secret?/other",
		"cat ../.secrets/other",
		"cat <~/.secrets/other",
		"x=$(<~/.secrets/other); echo $x",
		"echo `cat ~/.secrets/other`",
		"echo \"a $(cat ~/.secrets/other) b\"",
		"a=~/.secrets; b=other; cat $a/$b",
		"export D=$HOME/.sec; cat ${D}rets/other",
		"cat ${UNSET:-~/.secrets/other}",
		"cd ~/.secrets && cat other",
		"cd && cat .secrets/other",
		"cd ..; cat .secrets/other",
		"(cd ~; cat .secrets/other)",
		"for f in ~/.secrets/*; do cat $f; done",
		"if true; then cat ~/.secrets/other; fi",
		"cat link/other", "cat hard.json",
		"cp -r ~ /tmp/x", "mv ~/elsewhere /tmp/x", "tar cf - ~", "tar c -C ~ .", "ln -s ~/.secrets y", "ln ~/.secrets/other y",
		"grep -r x ~", "grep -rn --include='*.json' . ~", "rg --hidden x ~", "rg x ~", "diff -r ~ /tmp",
		"find ~ -type f -exec cat {} +", "find ~ -type f | xargs cat", "find ~/.secrets",
		"dd if=" + state + "/a.json", "curl -d @" + state + "/a.json localhost", "curl file://" + state + "/a.json",
		"git diff --no-index /dev/null ~/.secrets/other",
		"sh -c 'cat ~/.secrets/other'", "bash -c \"bash -c 'cat ~/.secrets/other'\"", "eval 'cat ~/.secrets/other'",
		"python3 -c \"print(open('" + state + "/a.json').read())\"",
		"python3 -c \"import os; print(open(os.path.expanduser('~/.secrets/other')).read())\"",
		"node -e 'require(\"fs\").readFileSync(process.env.HOME+\"/.secrets/other\")'",
		"python3 <<'EOF'\nprint(open('" + state + "/a.json').read())\nEOF",
		"cat <<EOF\n$(cat ~/.secrets/other)\nEOF",
		"awk '{print}' ~/.secrets/other", "sed -n p ~/.secrets/other", "base64 ~/.secrets/other",
		"cat /proc/$PPID/environ", "cat /proc/self/environ", "tr '\\0' '\\n' </proc/$$/environ", "cat /proc/*/environ", "ls -l /proc/$PPID/fd",
		"dd if=/proc/$PPID/mem bs=1 count=1", "cat /proc/self/root/" + state + "/a.json",
		"oci-oidc-helper token", "oci-oidc-helper -C . token --format env", "env X=1 oci-oidc-helper token", "$OCI_OIDC_HELPER token",
		"curl -H \"Authorization: Bearer $(oci-oidc-helper token)\" localhost", "echo '{}' | /opt/oci-oidc-helper --stdio",
		"oci-oidc-helper refresh", "oci-oidc-helper logout", "oci-oidc-helper config trust", "oci-oidc-helper connect", "oci-oidc-helper gateway key",
		"sh -c 'oci-oidc-helper token'",
		"sed -i s/a/b/ " + filepath.Join(p.ConfigDirs[0], config.Name), "echo {} > " + filepath.Join(p.ConfigDirs[0], config.Name),
		"cp src/" + config.Name + " " + p.ConfigDirs[0], "cd " + p.ConfigDirs[0] + " && cp -f /tmp/" + config.Name + " .", "cp /tmp/* " + p.ConfigDirs[0],
		"rm ~/oci-oidc-debug.log", "cat ~/.local/share/opencode/auth.json",
		"cat '~/.secrets/other", // a syntax error: judged as text
	} {
		if deny(g, "bash", toolArgs{Command: command}) == "" {
			t.Errorf("let through: %s", command)
		}
	}
	for _, command := range []string{
		"", "ls", "ls ~", "git status", "git log --oneline | head -5", "go test ./...", "npm view opencode-oci-oidc", "npm install && npm test",
		"cat README.md", "cat src/*.go", "grep -rn TODO .", "rg TODO", "rg TODO src", "find . -name '*.go'", "find ~ -maxdepth 1",
		"find . -name '*.go' | xargs wc -l", "find ~ -name '*.go' -exec grep x {} +", "tar czf out.tgz src", "cp -r src copy",
		"git commit -m 'docs: the secret belongs in ~/.secrets/oci'", "git commit -m \"$(cat <<'EOF'\nsee ~/.secrets\nEOF\n)\"",
		"echo \"put it in ~/.secrets\" >> README.md", "cat > notes.md <<'EOF'\nKeep it in ~/.secrets/x\nEOF",
		"for f in src/*; do cat \"$f\"; done", "while read -r line; do echo $line; done < README.md",
		"cat $file", "cat \"$1\"", "cat /proc/cpuinfo", "cat /proc/self/status", "python3 -c 'print(1+1)'", "node -e 'console.log(process.cwd())'",
		"cd src && go build", "make -j4 2>&1 | tail", "docker run -v $PWD:/src image", "psql -c 'select * from secrets'",
		"oci-oidc-helper status", "oci-oidc-helper doctor", "oci-oidc-helper config show", "oci-oidc-helper logs -f", "oci-oidc-helper --help",
		"go build -o build/oci-oidc-helper ./cmd/oci-oidc-helper", "which oci-oidc-helper", "cat " + config.Name, "sed -i s/a/b/ " + config.Name,
		"cat " + filepath.Join(p.ConfigDirs[0], config.Name), "tail ~/oci-oidc-debug.log", "cp " + config.Name + " src", "ls " + p.ConfigDirs[0] + "/*", "cp src/main.go " + p.ConfigDirs[0], "echo 'a < b' '(' \"c\" # it's fine",
		"x=$((1 + 2)); echo ${x%%a} ${#x}", "[[ -f go.mod ]] && echo yes", "awk -F: '{print $1}' go.mod",
	} {
		if reason := deny(g, "bash", toolArgs{Command: command}); reason != "" {
			t.Errorf("%s: %s", command, reason)
		}
	}
	if deny(g, "bash", toolArgs{Command: "ls", Workdir: filepath.Join(p.Home, ".secrets")}) == "" {
		t.Error("a directory of the secrets is let through")
	}
	if deny(g, "bash", toolArgs{Command: "cat .secrets/other", Workdir: p.Home}) == "" {
		t.Error("the command's own directory is not looked at")
	}
}

func TestGuardOfOtherTools(t *testing.T) {
	p, project := guarded(t)
	g := New(p, project)
	state := filepath.ToSlash(p.StateDir)
	for args, denied := range map[string]bool{
		`{"path":"~/.secrets/other"}`:              true,
		`{"paths":["a","../.secrets/other"]}`:      true,
		`{"uri":"file://` + state + `/a.json"}`:    true,
		`{"options":{"file":"link/other"}}`:        true,
		`{"command":"cat ~/.secrets/other"}`:       true,
		`{"code":"open('` + state + `/a.json')"}`:  true,
		`{"query":"what is in ~/.secrets/other?"}`: false,
		`{"path":"src","n":1,"deep":null}`:         false,
		`[]`:                                       false,
		`"x"`:                                      false,
		`broken`:                                   false,
	} {
		if absent(args, project) {
			continue
		}
		if reason := g.Deny("files_read", json.RawMessage(args)); (reason != "") != denied {
			t.Errorf("%s: %q, want denied: %v", args, reason, denied)
		}
	}
	if reason := g.Deny("question", json.RawMessage(`{"text":"~/.secrets/other"}`)); reason != "" {
		t.Error(reason)
	}
}

func TestGuardJudgesTheRestOfOddArguments(t *testing.T) {
	g := New(storetest.Places(t), t.TempDir())
	if g.Deny("read", json.RawMessage(`{"filePath":"~/.secrets/x","path":1}`)) == "" {
		t.Error("a call with an argument of the wrong type was allowed")
	}
}

func TestGuardKeepsProjectSecretFromSearches(t *testing.T) {
	p, project := storetest.Places(t), t.TempDir()
	storetest.WriteFile(t, filepath.Join(project, config.Name), `{"client_secret": "plain"}`)
	storetest.WriteFile(t, filepath.Join(project, "src", "x"), "")
	g := New(p, project)
	for _, args := range []toolArgs{{Pattern: "x"}, {Pattern: "x", Include: "*.jsonc"}, {Pattern: "x", Include: "!*.go"}} {
		if deny(g, "grep", args) == "" {
			t.Errorf("grep over the project was allowed: %+v", args)
		}
	}
	for _, args := range []toolArgs{{Pattern: "x", Path: "src"}, {Pattern: "x", Include: "*.go"}, {Pattern: "x", Include: "!" + config.Name}} {
		if reason := deny(g, "grep", args); reason != "" {
			t.Error(reason)
		}
	}
	for command, denied := range map[string]bool{
		"grep -r x .": true,
		"grep -r --exclude=" + config.Name + " x .": false,
		"rg x":                                       true,
		"rg -g '!" + config.Name + "' x":             false,
		"cat oci-auth.*":                             true,
		"git show HEAD:" + config.Name:               true,
		"cat OCI-AUTH.config.jsonc":                  true,
		"for f in *; do echo $f; done; cat \"$f\"":   true,
		"cat \"$f\"":                                 false,
		"echo {} > " + config.Name:                   true,
		"mv " + config.Name + " x && cat x":          true,
		"find . -type f -print0 | xargs -0 cat":      true,
		"find . -name '*.go' -print0 | xargs -0 cat": false,
	} {
		if reason := deny(g, "bash", toolArgs{Command: command}); (reason != "") != denied {
			t.Errorf("%s: %q, want denied: %v", command, reason, denied)
		}
	}
}

func TestGuardAllowsTokensIfConfigured(t *testing.T) {
	p, project := storetest.Places(t), t.TempDir()
	storetest.WriteFile(t, filepath.Join(p.ConfigDirs[0], config.Name), `{"domain_url": "https://idcs-1.identity.oraclecloud.com", "client_id": "c",
		"auth_method": "mobile_app", "llm_base_url": "https://llm.example.com/v1", "allow_agent_token": true}`)
	g := New(p, project)
	for command, denied := range map[string]bool{"token": false, "refresh": false, "logout": true, "--stdio": true, "config trust": true} {
		if reason := deny(g, "bash", toolArgs{Command: "oci-oidc-helper " + command}); (reason != "") != denied {
			t.Errorf("%s: %q, want denied: %v", command, reason, denied)
		}
	}
	if deny(g, "read", toolArgs{FilePath: filepath.Join(p.StateDir, "x.json")}) == "" {
		t.Error("the saved tokens are open, too")
	}
}

func TestReasonNamesPathAndNextStep(t *testing.T) {
	p, project := guarded(t)
	g := New(p, project)
	for _, test := range []struct {
		tool string
		args toolArgs
		says []string
	}{
		{"read", toolArgs{FilePath: "../.secrets/other"}, []string{filepath.Join(p.Home, ".secrets"), "may hold a secret"}},
		{"grep", toolArgs{Path: p.Home}, []string{"include"}},
		{"bash", toolArgs{Command: "oci-oidc-helper token"}, []string{"oci_oidc_status", "allow_agent_token"}},
	} {
		reason := deny(g, test.tool, test.args)
		for _, says := range test.says {
			if !strings.Contains(reason, says) {
				t.Errorf("%s: %q does not say %q", test.tool, reason, says)
			}
		}
	}
}

// FuzzGuardShell: no text causes a panic, and after a text without quotes or variables, a
// command that opens a secret is denied.
func FuzzGuardShell(f *testing.F) {
	for _, text := range []string{"cat a", "echo \"$(a `b` ${c:-d})\"", "a <<E\n$(b)\nE\n", "$'\\x41' 'x", "((((", "${", "{a,{b,c}}{d,e}", "a=b;cd $a;<(c)"} {
		f.Add(text)
	}
	p := storetest.Places(f)
	g := New(p, f.TempDir())
	f.Fuzz(func(t *testing.T, text string) {
		deny(g, "bash", toolArgs{Command: text})
		if runtime.GOOS == "windows" || strings.ContainsAny(text, "'\"\\`#$<(){}=") {
			return
		}
		if !strings.Contains(text, "cd") && !strings.Contains(text, "pushd") && deny(g, "bash", toolArgs{Command: text + "\ncat ~/.secrets/x\n"}) == "" {
			t.Errorf("after %q the secrets are open", text)
		}
	})
}

func BenchmarkGuard(b *testing.B) {
	p := storetest.Places(b)
	args := json.RawMessage(`{"command":"cd src && grep -rn 'func main' --include='*.go' . | head -20 && go test ./... 2>&1 | tail -5"}`)
	for b.Loop() {
		New(p, p.Home).Deny("bash", args)
	}
}

// TestGuardOfOpenCode2: version 2 has the same tools as version 1, with other names for the
// tools and their arguments. Its permission requests contain only paths or commands.
func TestGuardOfOpenCode2(t *testing.T) {
	p, project := guarded(t)
	g := New(p, project)
	for path, denied := range map[string]bool{
		"~/.secrets/other": true, "link/other": true, "hard.json": true, filepath.Join(p.Home, "elsewhere", "oci.txt"): true,
		"src/main.go": false, "README.md": false,
	} {
		if absent(path, project) {
			continue
		}
		for _, tool := range []string{"read", "edit", "write"} {
			if reason := deny(g, tool, map[string]string{"path": path}); (reason != "") != denied {
				t.Errorf("%s of %s: %q, want denied: %v", tool, path, reason, denied)
			}
		}
		for _, action := range []string{"read", "edit"} {
			if reason := g.DenyPermission(action, []string{"src/main.go", path}); (reason != "") != denied {
				t.Errorf("the permission to %s %s: %q, want denied: %v", action, path, reason, denied)
			}
		}
		if reason := deny(g, "patch", map[string]string{"patchText": "*** Begin Patch\n*** Update File: " + path + "\n@@\n"}); (reason != "") != denied {
			t.Errorf("a patch of %s: %q, want denied: %v", path, reason, denied)
		}
	}
	for command, denied := range map[string]bool{"cat ~/.sec\"\"rets/other": true, "cat link/other": true, "go test ./...": false} {
		if absent(command, project) {
			continue
		}
		if reason := deny(g, "shell", map[string]string{"command": command}); (reason != "") != denied {
			t.Errorf("shell %q: %q, want denied: %v", command, reason, denied)
		}
		if reason := g.DenyPermission("shell", []string{command}); (reason != "") != denied {
			t.Errorf("the permission for shell %q: %q, want denied: %v", command, reason, denied)
		}
	}
	if reason := deny(g, "subagent", map[string]string{"agent": "general", "prompt": "Look into ~/.secrets."}); reason != "" {
		t.Errorf("a subagent: %q", reason)
	}
	for _, action := range []string{"glob", "grep", "webfetch", "subagent"} {
		if reason := g.DenyPermission(action, []string{"secrets"}); reason != "" {
			t.Errorf("the permission to %s: %q", action, reason)
		}
	}
}
