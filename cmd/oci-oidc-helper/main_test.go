package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// The tests are the scripts in testdata/script: real processes of the helper
// against a stand-in domain. BROWSER is a program that follows redirects.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"oci-oidc-helper": main,
		"age":             ageTokens,
		"browser":         func() { os.Exit(browse(os.Args[1])) },
	})
}

func browse(address string) int {
	resp, err := http.Get(address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return 0
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"domain":     tellDomain,
			"configure":  configure,
			"counted":    counted,
			"no-secrets": noSecrets,
			"mode":       mode,
			"expand":     expand,
			"await":      await,
			"ask":        ask,
			"expire":     expire,
		},
	})
}

// raceOptions keep a program under the race detector from waiting for a second
// before it exits.
const raceOptions = "atexit_sleep_ms=0"

type serverKey struct{}

func setup(env *testscript.Env) error {
	server, err := domaintest.Start(domaintest.Options{AutoApprove: true, AutoApproveDevices: true})
	if err != nil {
		return err
	}
	env.Defer(server.Close)
	env.Values[serverKey{}] = server
	redirect := domaintest.FreeRedirect()
	server.AllowRedirect(domaintest.ConfidentialClient, redirect)
	home := filepath.Join(env.WorkDir, "home")
	env.Setenv("HOME", home)
	env.Setenv("USERPROFILE", home)
	env.Setenv("LOCALAPPDATA", filepath.Join(home, "AppData", "Local"))
	env.Setenv("XDG_STATE_HOME", filepath.Join(home, "state"))
	env.Setenv("LOG", filepath.Join(home, "oci-oidc-debug.log"))
	if runtime.GOOS == "windows" {
		env.Setenv("LOG", filepath.Join(home, "state", "opencode-oci-oidc", "plugin.log"))
	}
	env.Setenv("BROWSER", "browser")
	env.Setenv("GORACE", raceOptions)
	env.Setenv("DOMAIN", server.URL)
	env.Setenv("ENDPOINT", server.LLMBaseURL)
	env.Setenv("CLIENT", domaintest.ConfidentialClient)
	env.Setenv("SECRET", domaintest.ConfidentialSecret)
	env.Setenv("SCOPE", "openid offline_access "+domaintest.DefaultScope)
	env.Setenv("REDIRECT", redirect)
	env.Setenv("PORT", strconv.Itoa(domaintest.FreePort()))
	return os.MkdirAll(home, 0o700)
}

func server(ts *testscript.TestScript) *domaintest.Server {
	return ts.Value(serverKey{}).(*domaintest.Server)
}

// configure [key=value...] writes the configuration for the stand-in into the
// user's configuration directory, with the given keys set or, if empty, left out.
func configure(ts *testscript.TestScript, _ bool, args []string) {
	s := server(ts)
	redirect := domaintest.FreeRedirect()
	keys := map[string]string{
		"domain_url": s.URL, "llm_base_url": s.LLMBaseURL, "redirect_uri": redirect,
		"client_id": domaintest.ConfidentialClient, "client_secret": domaintest.ConfidentialSecret,
		"scope": "openid offline_access " + domaintest.DefaultScope, "log_level": "VERBOSE",
	}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		if value == "" {
			delete(keys, key)
		} else {
			keys[key] = value
		}
	}
	s.AllowRedirect(keys["client_id"], redirect)
	text, err := json.MarshalIndent(keys, "", "  ")
	ts.Check(err)
	dir := filepath.Join(ts.Getenv("HOME"), ".config", "opencode")
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, config.Name), text, 0o600))
}

// expire replaces the saved access token by an expired one.
func expire(ts *testscript.TestScript, _ bool, _ []string) {
	files, err := filepath.Glob(filepath.Join(ts.Getenv("XDG_STATE_HOME"), "opencode-oci-oidc", "????????????????????????????????*.json"))
	ts.Check(err)
	for _, file := range files {
		var saved map[string]any
		text, err := os.ReadFile(file)
		ts.Check(err)
		ts.Check(json.Unmarshal(text, &saved))
		saved["issuedAt"], saved["expiresAt"] = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"
		text, err = json.Marshal(saved)
		ts.Check(err)
		ts.Check(os.WriteFile(file, text, 0o600))
	}
	if files == nil {
		ts.Fatalf("no tokens are saved")
	}
}

// domain JSON sends a command to the stand-in's control handler.
func tellDomain(ts *testscript.TestScript, _ bool, args []string) {
	var command domaintest.Command
	decoder := json.NewDecoder(strings.NewReader(args[0]))
	decoder.DisallowUnknownFields()
	ts.Check(decoder.Decode(&command))
	ts.Check(server(ts).Do(command))
}

// counted OPERATION N checks the number of requests to the domain.
func counted(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if got := server(ts).Count(domaintest.Operation(args[0])); got != want {
		ts.Fatalf("the domain was asked %d times for %s, not %d", got, args[0], want)
	}
}

// no-secrets FILE checks that a file contains none of the secrets that were sent or received.
func noSecrets(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if text == "" {
		ts.Fatalf("%s is empty", args[0])
	}
	for _, request := range server(ts).Requests(domaintest.Token) {
		for _, name := range []string{"code", "code_verifier", "refresh_token", "device_code"} {
			if secret := request.Form.Get(name); secret != "" && strings.Contains(text, secret) {
				ts.Fatalf("%s holds a %s", args[0], name)
			}
		}
	}
	for _, shape := range []string{domaintest.ConfidentialSecret, "AQIDBA", "eyJ"} {
		if strings.Contains(text, shape) {
			ts.Fatalf("%s holds a secret or token: %s…", args[0], shape)
		}
	}
}

// mode OCTAL FILE... checks files' permissions.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args[1:] {
		info, err := os.Stat(ts.MkAbs(file))
		ts.Check(err)
		if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s, not %s", file, got, args[0])
		}
	}
}

// await FILE TEXT waits until another process has written the text.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if text, _ := os.ReadFile(ts.MkAbs(args[0])); strings.Contains(string(text), args[1]) {
			return
		}
	}
	ts.Fatalf("%s does not hold %q", args[0], args[1])
}

// ask [!] URL-FILE KEY-FILE PATH checks that the address in a file answers a request with
// the key in another one, or refuses it.
func ask(ts *testscript.TestScript, refused bool, args []string) {
	base := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(ts.ReadFile(args[0]), "The gateway answers at ")), ".")
	req, err := http.NewRequest(http.MethodGet, base+args[2], nil)
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(ts.ReadFile(args[1])))
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if ok := resp.StatusCode == http.StatusOK; ok == refused {
		ts.Fatalf("%s%s answered %d: %s", base, args[2], resp.StatusCode, text)
	}
	ts.Logf("%s", text)
}

// expand FILE... replaces the variables of the environment in files.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, file := range args {
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}
