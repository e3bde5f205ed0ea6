package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	real "github.com/opencode-oci-oidc/opencode-oci-oidc/internal/desktop"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// A desktop is the computer of a person who is signed in, with a desktop session.
type desktop struct {
	*computer
	*session
	inside func(script string) // runs it among the mounts of a namespace
}

type session = real.Desktop

func newDesktop(t *testing.T) *desktop {
	t.Helper()
	d := &desktop{computer: newComputer(t)}
	d.session = real.New(t, d.path("run"))
	d.env["DBUS_SESSION_BUS_ADDRESS"] = d.Address
	return d
}

func (d *desktop) holdsKeys(want int) {
	d.Helper()
	if keys := d.Keys(); keys != want {
		d.Errorf("the keyring holds %d keys, want %d", keys, want)
	}
}

// store writes the configuration again with the given token_store.
func (d *desktop) store(how string) {
	d.Helper()
	d.keys["token_store"] = how
	d.configure()
}

// saved returns the text of the token file. encrypted reports whether it is encrypted, and if so
// checks that no file in its directory contains a token.
func (d *desktop) saved() (text string, encrypted bool) {
	d.Helper()
	written, err := os.ReadFile(d.tokenFile().Path())
	d.check(err)
	var head struct{ Version int }
	d.check(json.Unmarshal(written, &head))
	if head.Version == 1 {
		return string(written), false
	}
	d.check(filepath.WalkDir(d.path("state"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if found := private.Find(content); found != nil {
			d.Errorf("%s holds %q: %s", path, found, content)
		}
		return err
	}))
	return string(written), true
}

// private returns what an encrypted file must not show: the tokens and the person's name.
var private = regexp.MustCompile(`eyJ[\w-]+\.|AQIDBA|` + regexp.QuoteMeta(domaintest.DefaultUser.Name))

func (d *desktop) isEncrypted(want bool) {
	d.Helper()
	if text, encrypted := d.saved(); encrypted != want {
		found, _, _ := d.run("doctor")
		log, _ := os.ReadFile(d.path("oci-oidc-debug.log"))
		d.Errorf("the tokens are encrypted: %v, want %v: %s\n%s\n%s", encrypted, want, text, found, log)
	}
}

func TestKeyringFromSignInToSignOut(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.Unlock()
	d.mustRun("logout")
	d.store("keyring")
	d.mustRun("connect")
	d.isEncrypted(true)
	d.holdsKeys(1)
	token := d.mustRun("token")
	if again := d.mustRun("token"); again != token || !strings.HasPrefix(token, "eyJ") {
		t.Errorf("another process has another token: %s, %s", token, again)
	}
	first, _ := d.saved()
	d.mustRun("refresh")
	if second, encrypted := d.saved(); !encrypted || second == first {
		t.Error("the refreshed tokens are not encrypted anew")
	}
	d.holdsKeys(1)
	if status := d.mustRun("status"); !strings.Contains(status, "encrypted; its key is in the system's keyring") {
		t.Error(status)
	}
	if shown := d.mustRun("config", "show"); !strings.Contains(shown, `"token_store": "keyring"`) {
		t.Error(shown)
	}
	if said, _, _ := d.run("doctor"); !strings.Contains(said, "holds the key of the saved tokens") || !strings.Contains(said, ".json, encrypted") {
		t.Error(said)
	}
	d.mustRun("logout")
	if _, err := os.Stat(d.tokenFile().Path()); err == nil {
		t.Error("the tokens are still there")
	}
	d.holdsKeys(0)
}

// If the configuration turns encryption on or off, the same tokens are saved in the other
// form, and nobody has to sign in.
func TestTokensAreEncryptedAndDecrypted(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.Unlock()
	token := d.mustRun("token")
	for range 2 {
		for _, how := range []string{"keyring", "file"} {
			d.store(how)
			if moved := d.mustRun("token"); moved != token {
				t.Errorf("with %s the token is another one", how)
			}
			d.isEncrypted(how == "keyring")
			d.holdsKeys(map[string]int{"keyring": 1}[how])
		}
	}
	if n := d.server.Count(domaintest.Token); n != 0 {
		t.Errorf("the domain was asked for tokens %d times", n)
	}
}

// A process is killed at each system call by which it changes something. Nothing is lost: the
// next process has the token and saves it in the form of its configuration.
func TestKilledDuringChangeOfEncryption(t *testing.T) {
	t.Parallel()
	if said, err := exec.Command("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("there is no strace that works, to kill a process at a given call (e2e/install-tools installs it): %v %s", err, said)
	}
	d := newDesktop(t)
	d.Unlock()
	d.setenv("GOMAXPROCS", "1") // strace counts the calls of each thread by themselves
	token := d.mustRun("token")
	d.store("keyring")
	d.mustRun("token")
	for _, how := range []string{"file", "keyring"} {
		kills := map[string]int{}
		// Writes to the bus and to the file, and the rename of the file.
		for _, call := range []string{"sendmsg", "write", "fsync", "renameat", "unlinkat"} {
			for killed := true; killed; kills[call]++ {
				d.store(how)
				command := exec.Command("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace="+call,
					"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, kills[call]+1), filepath.Join(helperDir(t), "oci-oidc-helper"), "token")
				command.Env, command.Dir = d.environ(), d.path("project")
				var said bytes.Buffer
				command.Stderr = &said
				output, err := command.Output()
				if killed = command.ProcessState.Sys().(syscall.WaitStatus).Signaled(); !killed && string(output) != token {
					t.Fatalf("not killed, and without the token: %v %s%s", err, output, &said)
				}
				if survived := d.mustRun("token"); survived != token {
					t.Fatalf("killed at %s %d on the way to %s: another token", call, kills[call]+1, how)
				}
				d.isEncrypted(how == "keyring")
				d.store(map[string]string{"keyring": "file", "file": "keyring"}[how])
				d.mustRun("token")
				d.isEncrypted(how == "file")
			}
		}
		t.Logf("runs on the way to %s, the last one whole: %v", how, kills)
		// The number of further calls depends on the scheduling of threads.
		if min(kills["write"], kills["fsync"], kills["renameat"]) < 2 {
			t.Errorf("never killed on the way to %s: %v", how, kills)
		}
	}
	if n := d.server.Count(domaintest.Token); n != 0 {
		t.Errorf("the domain was asked for tokens %d times", n)
	}
}

// Of many processes that start at the same time, only one makes a key.
func TestManyProcessesMakeOneKey(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.Unlock()
	token := d.mustRun("token")
	d.store("keyring")
	d.mkdir("project", 0o700)
	var together sync.WaitGroup
	for range 8 {
		together.Go(func() {
			if got, said, _ := d.run("token"); got != token {
				t.Errorf("another token: %s%s", got, said)
			}
		})
	}
	together.Wait()
	d.isEncrypted(true)
	d.holdsKeys(1)

	d.mustRun("logout")
	d.holdsKeys(0)
	for _, flow := range []string{"browser", "device"} { // each a sign-in of its own
		together.Go(func() {
			if _, said, code := d.run("connect", "--flow", flow); code != 0 {
				t.Errorf("%s: %s", flow, said)
			}
		})
	}
	together.Wait()
	d.isEncrypted(true)
	d.holdsKeys(1)
	d.mustRun("token")
}

func TestKeyringLosesTheKey(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.Unlock()
	d.store("keyring")
	d.mustRun("token")
	before, _ := d.saved()
	d.LoseKeys()
	const lost = "does not hold their key any more"
	if _, said, code := d.run("token"); code != exitSignIn || !strings.Contains(said, lost) || !strings.Contains(said, "Sign in again") {
		t.Errorf("token: exit code %d: %s", code, said)
	}
	if said, _, code := d.run("status", "--json"); code != 0 || !strings.Contains(said, lost) || !strings.Contains(said, `"signedIn": false`) {
		t.Errorf("status: %s", said)
	}
	if said, _, code := d.run("doctor"); code == 0 || !strings.Contains(said, lost) {
		t.Errorf("doctor: %s", said)
	}
	if after, _ := d.saved(); after != before {
		t.Error("the file was changed before there was a new sign-in")
	}
	d.mustRun("connect")
	d.isEncrypted(true)
	d.holdsKeys(1)
	d.mustRun("token")
}

// If the keyring cannot be used, every command says so, and no saved tokens are lost.
func TestUnusableKeyring(t *testing.T) {
	for _, row := range []struct {
		name, says string
		spoil      func(*desktop)
	}{
		{"no bus", "there is no D-Bus session here", func(d *desktop) { delete(d.env, "DBUS_SESSION_BUS_ADDRESS") }},
		{"dead bus", "its D-Bus session does not answer as it should", func(d *desktop) { d.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + d.path("none") }},
		{"no keyring", "no program in this D-Bus session keeps one", func(*desktop) {}},
		{"locked", "it is locked", func(d *desktop) { d.StartLocked() }},
		{"silent", "it has not answered within 3 s", (*desktop).silence},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDesktop(t)
			d.Unlock()
			token := d.mustRun("token")
			d.store("keyring")
			d.mustRun("token")
			before, encrypted := d.saved()
			good := d.env["DBUS_SESSION_BUS_ADDRESS"]
			d.Stop()
			row.spoil(d)
			if _, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", os.Getuid())); err == nil && row.name == "no bus" {
				t.Skip("this machine has a bus that is found without its address")
			}
			for _, args := range [][]string{{"token"}, {"connect"}, {"doctor"}, {"refresh"}} {
				said, more, code := d.run(args...)
				if said += more; code == 0 || !strings.Contains(said, row.says) || !strings.Contains(said, `"token_store": "file"`) {
					t.Errorf("%v: exit code %d: %s", args, code, said)
				}
			}
			if said, more, code := d.run("status"); code != exitSignIn || !strings.Contains(said, d.tokenFile().Path()+", encrypted") || strings.Contains(more, "connect") {
				t.Errorf("status: exit code %d: %s%s", code, said, more)
			}
			if said, _, _ := d.run("status", "--json"); !strings.Contains(said, row.says) || !strings.Contains(said, `"kind": "store"`) {
				t.Errorf("status: %s", said)
			}
			ask := d.converse()
			for range 5 {
				if _, fault := ask("getToken"); !strings.Contains(fault, row.says) {
					t.Errorf("over the wire: %q", fault)
				}
			}
			if after, _ := d.saved(); !encrypted || after != before {
				t.Error("the saved tokens were changed")
			}
			d.env["DBUS_SESSION_BUS_ADDRESS"] = good
			d.Unlock()
			if again := d.mustRun("token"); again != token {
				t.Error("the session is another one")
			}
		})
	}
}

// converse starts a helper as OpenCode does. The returned function sends a request and waits for
// the answer.
func (d *desktop) converse() (ask func(method string) (token, fault string)) {
	d.Helper()
	d.mkdir("project", 0o700)
	command := exec.Command(filepath.Join(helperDir(d.T), "oci-oidc-helper"), "--stdio")
	command.Dir, command.Env = d.path("project"), d.environ()
	stdin, err := command.StdinPipe()
	d.check(err)
	stdout, err := command.StdoutPipe()
	d.check(err)
	d.check(command.Start())
	d.Cleanup(func() { _ = stdin.Close(); _ = command.Wait() })
	answers := json.NewDecoder(stdout)
	return func(method string) (token, fault string) {
		d.Helper()
		_, err := fmt.Fprintf(stdin, `{"jsonrpc":"2.0","id":1,"method":%q}`+"\n", method)
		d.check(err)
		var answer struct {
			ID     *int
			Result struct{ AccessToken string }
			Error  struct{ Message string }
		}
		for answer.ID == nil { // notifications have none
			d.check(answers.Decode(&answer))
		}
		return answer.Result.AccessToken, answer.Error.Message
	}
}

// A person who closes the keyring's password window is not asked again at every request, but
// when they sign in, and by another process. (GNOME Keyring reports that it would ask; there
// is nobody to show the window to.)
func TestLockedKeyringAsksOnce(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.Unlock()
	d.store("keyring")
	d.mustRun("token")
	d.StartLocked()
	ask := d.converse()
	for _, method := range []string{"getToken", "getToken", "getToken", "connect", "getToken"} {
		if _, fault := ask(method); !strings.Contains(fault, "it is locked") {
			t.Errorf("%s: %q", method, fault)
		}
	}
	if asked := d.Asked(); asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
	d.Unlock()
	if token, fault := ask("getToken"); token == "" {
		t.Errorf("unlocked: %q", fault)
	}
}

// If the keyring is gone for good, a sign-in that does not need it works, and replaces the
// tokens that nobody can read.
func TestSignInWithoutTheKeyring(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.Unlock()
	d.store("keyring")
	d.mustRun("token")
	d.Stop()
	d.store("file")
	if _, said, code := d.run("token"); code == 0 || !strings.Contains(said, "The saved tokens are encrypted") {
		t.Errorf("exit code %d: %s", code, said)
	}
	d.mustRun("connect")
	d.isEncrypted(false)
	d.mustRun("token")
}

func TestSigningOutWithoutTheKeyring(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.Unlock()
	d.store("keyring")
	d.mustRun("token")
	d.Stop()
	_, said, code := d.run("logout")
	for _, wanted := range []string{"are erased, but their key is left", "opens nothing any more", "was not ended at the domain"} {
		if code == 0 || !strings.Contains(said, wanted) {
			t.Errorf("not %q, exit code %d: %s", wanted, code, said)
		}
	}
	if _, err := os.Stat(d.tokenFile().Path()); err == nil {
		t.Error("the tokens are still there")
	}
}

// silence replaces the session bus by one that accepts connections and never answers.
func (d *desktop) silence() {
	d.Helper()
	listener, err := net.Listen("unix", d.path("run/silent"))
	d.check(err)
	d.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, connection) }()
		}
	}()
	d.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + d.path("run/silent")
}

// The keyring disappears after a refresh token or a code was sent and before the new tokens
// are saved. The session is kept. A first sign-in, whose new key the keyring cannot take, says
// so.
func TestKeyringLostDuringARequest(t *testing.T) {
	for _, row := range []struct {
		args, grant string
		left        time.Duration // of the access token; 0 where nobody is signed in
	}{
		{"token", "refresh_token", -time.Hour},
		{"refresh", "refresh_token", time.Hour},
		{"--stdio", "refresh_token", -time.Hour},
		{"connect", "authorization_code", -time.Hour},
		{"connect", "authorization_code", 0},
	} {
		t.Run(fmt.Sprint(row.args, row.left), func(t *testing.T) {
			t.Parallel()
			d := newDesktop(t)
			d.Unlock()
			d.store("keyring")
			d.age(row.left)
			stop := &stopped{op: domaintest.Token, form: row.grant, reached: make(chan struct{}), goOn: make(chan struct{})}
			d.server.Change(func(o *domaintest.Options) { o.Tamper = stop.tamper })
			p := d.begin(row.args)
			p.until(stop.reached)
			d.Stop()
			close(stop.goOn)
			p.answers()
			p.finish()
			d.server.Change(func(o *domaintest.Options) { o.Tamper = nil })
			d.Unlock()
			if row.left == 0 {
				if code := p.ProcessState.ExitCode(); code != exitProblem || !strings.Contains(p.stderr.text(), "no program in this D-Bus session keeps one") {
					t.Errorf("exit code %d: %s", code, p.stderr.text())
				}
				d.mustRun("connect")
			} else if code := p.ProcessState.ExitCode(); code != exitOK {
				t.Errorf("exit code %d: %s", code, p.stderr.text())
			}
			d.isEncrypted(true)
			d.isKept(row.args)
		})
	}
}

// With token_store auto a sign-in without a keyring saves the tokens in the file, where they
// stay until the next sign-in although a keyring appears. A sign-in with a keyring encrypts
// them, and when the keyring goes away, every process says so and changes nothing. status and
// doctor say which it is and why.
func TestTheSignInDecidesAboutTheKeyring(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.mustRun("logout")
	d.store("auto")
	says := func(wanted string) {
		t.Helper()
		for _, command := range []string{"status", "doctor"} {
			if said, more, _ := d.run(command); !strings.Contains(said+more, wanted) {
				t.Errorf("%s does not say %q: %s%s", command, wanted, said, more)
			}
		}
	}
	const missing = "no program in this D-Bus session keeps one"
	if said, _, _ := d.run("doctor"); !strings.Contains(said, "the next sign-in saves the tokens in the file") || !strings.Contains(said, missing) {
		t.Error(said)
	}
	d.mustRun("connect")
	says("The keyring could not be used at the sign-in: " + missing)
	other := d.converse()
	token, _ := other("getToken")
	d.Unlock()
	d.mustRun("refresh")
	d.isEncrypted(false)
	d.holdsKeys(0)
	says("The keyring could not be used at the sign-in: " + missing)
	d.mustRun("connect")
	d.isEncrypted(true)
	d.holdsKeys(1)
	says("encrypted")
	if now, fault := other("getToken"); now == token || fault != "" {
		t.Errorf("another process has not noticed the sign-in: %s", fault)
	}
	before, _ := d.saved()
	d.Stop()
	for _, args := range [][]string{{"token"}, {"refresh"}, {"connect"}, {"doctor"}} {
		if said, more, code := d.run(args...); code == 0 || !strings.Contains(said+more, missing) {
			t.Errorf("%v without the keyring: exit code %d: %s%s", args, code, said, more)
		}
	}
	if after, _ := d.saved(); after != before {
		t.Error("the saved tokens were changed without the keyring")
	}
	d.Unlock()
	d.mustRun("refresh")
	d.isEncrypted(true)
	d.mustRun("logout")
	d.holdsKeys(0)
}

// A helper whose keyring did not answer uses it as soon as it does.
func TestKeyringAnswersLater(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.Unlock()
	d.store("keyring")
	token := strings.TrimSpace(d.mustRun("token"))
	awake := make(chan struct{})
	listener, err := net.Listen("unix", d.path("run/slow"))
	d.check(err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				<-awake
				bus, err := net.Dial("unix", d.path("run/bus"))
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(bus, connection) }()
				_, _ = io.Copy(connection, bus)
			}()
		}
	}()
	d.env["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + d.path("run/slow")
	ask := d.converse()
	if _, fault := ask("getToken"); !strings.Contains(fault, "has not answered") {
		t.Errorf("a silent bus: %s", fault)
	}
	close(awake)
	got, fault := ask("getToken")
	for end := time.Now().Add(20 * time.Second); got == "" && time.Now().Before(end); got, fault = ask("getToken") {
		time.Sleep(10 * time.Millisecond)
	}
	if got != token {
		t.Errorf("awake: %q", fault)
	}
}

// A project's configuration, even if confirmed, cannot turn off the encryption of a person's
// session.
func TestProjectCannotTurnEncryptionOff(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.Unlock()
	d.store("keyring")
	token := d.mustRun("token")
	for _, how := range []string{"file", ""} {
		keys := map[string]string{}
		for key, value := range d.keys {
			keys[key] = value
		}
		if keys["token_store"] = how; how == "" {
			delete(keys, "token_store")
		}
		text, err := json.Marshal(keys)
		d.check(err)
		d.write("project/oci-auth.config.jsonc", string(text))
		if _, said, code := d.run("token"); code == 0 || !strings.Contains(said, "is not confirmed") {
			t.Errorf("%q without a confirmation: %d %s", how, code, said)
		}
		d.setenv("OCI_OIDC_TRUST_PROJECT", d.path("project"))
		if got := d.mustRun("token"); got != token {
			t.Error("another session")
		}
		d.isEncrypted(true)
		d.mustRun("refresh")
		d.isEncrypted(true)
		token = d.mustRun("token")
		delete(d.env, "OCI_OIDC_TRUST_PROJECT")
	}
	d.holdsKeys(1)
}

// init tries the keyring before it writes that tokens are encrypted with it.
func TestInitTriesTheKeyring(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.server.AllowRedirect(domaintest.MobileClient, d.keys["redirect_uri"])
	args := []string{"init", "--force", "--redirect-uri", d.keys["redirect_uri"], "--domain-url", d.server.URL, "--client-id", domaintest.MobileClient, "--auth-method", "mobile_app",
		"--llm-base-url", d.server.LLMBaseURL, "--token-store", "keyring"}
	if _, said, code := d.run(args...); code == 0 || !strings.Contains(said, "no program in this D-Bus session keeps one") {
		t.Errorf("without a keyring: exit code %d: %s", code, said)
	}
	d.Unlock()
	if _, said, code := d.run(args...); code != 0 || !strings.Contains(said, "The keyring answers") {
		t.Errorf("with a keyring: exit code %d: %s", code, said)
	}
	if shown := d.mustRun("config", "show"); !strings.Contains(shown, `"token_store": "keyring"`) {
		t.Error(shown)
	}
}
