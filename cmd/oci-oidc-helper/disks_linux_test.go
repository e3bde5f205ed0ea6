package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	real "github.com/opencode-oci-oidc/opencode-oci-oidc/internal/desktop"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// A badDisk is why nothing can be saved.
type badDisk struct {
	name, says string
	mounts     bool                                               // it is made by a mount
	keyring    bool                                               // it is the keyring's, with which the tokens are encrypted
	begin      func(d *desktop, running *process) (repair func()) // running may be nil
}

// copied copies the directory of the tokens, in which the process may just replace a file.
const copied = `mkdir "$HOME/copy" && until cp -a "$STATE/." "$HOME/copy"; do sleep 0.1; done && `

var badDisks = []badDisk{
	{name: "full disk", says: "no space left on device", mounts: true, begin: func(d *desktop, _ *process) func() {
		d.inside(copied + `mount -t tmpfs -o size=64k,mode=0700 none "$STATE" && cp -a "$HOME/copy/." "$STATE" && ! head -c 1M /dev/zero >"$STATE/filler"`)
		return func() { d.inside(`rm "$STATE/filler"`) }
	}},
	{name: "no more files", says: "no space left on device", mounts: true, begin: func(d *desktop, _ *process) func() {
		d.inside(copied + `mount -t tmpfs -o nr_inodes=16,mode=0700 none "$STATE" && cp -a "$HOME/copy/." "$STATE" && ! touch $(seq -f "$STATE/filler%g" 20)`)
		return func() { d.inside(`rm "$STATE/"filler*`) }
	}},
	{name: "read-only", says: "read-only file system", mounts: true, begin: func(d *desktop, _ *process) func() {
		// A mount is busy while the process writes a file.
		d.inside(`mount --bind "$STATE" "$STATE" && for try in $(seq 300); do mount -o remount,bind,ro "$STATE" && exit; sleep 0.1; done; exit 1`)
		return func() { d.inside(`mount -o remount,bind,rw "$STATE"`) }
	}},
	{name: "a write that ends in the middle", says: "file too large", begin: func(d *desktop, running *process) func() {
		if _, err := exec.LookPath("prlimit"); err != nil {
			d.Skip("there is no prlimit, to limit the size of a file")
		}
		limit := func(size string) {
			if running != nil {
				if said, err := exec.Command("prlimit", fmt.Sprintf("--pid=%d", running.Process.Pid), "--fsize="+size+":").CombinedOutput(); err != nil {
					d.Fatalf("%v: %s", err, said)
				}
			}
		}
		limit("700")
		d.wrap = []string{"prlimit", "--fsize=700:"}
		return func() { limit("unlimited"); d.wrap = nil }
	}},
	{name: "no keyring", says: "no program in this D-Bus session keeps one", keyring: true, begin: func(d *desktop, _ *process) func() {
		d.Stop()
		return d.Unlock
	}},
	{name: "locked keyring", says: "it is locked", keyring: true, begin: func(d *desktop, _ *process) func() {
		d.StartLocked()
		return d.Unlock
	}},
	{name: "silent keyring", says: "it has not answered within 3 s", keyring: true, begin: func(d *desktop, _ *process) func() {
		good := d.env["DBUS_SESSION_BUS_ADDRESS"]
		d.silence()
		return func() { d.env["DBUS_SESSION_BUS_ADDRESS"] = good }
	}},
}

// A refresh token works only once, so it is not sent if the next one could not be saved. The
// person is told why and what to do; when that is done, the session continues.
func TestBadDisks(t *testing.T) {
	for _, trouble := range badDisks {
		for _, row := range []struct {
			name string
			left time.Duration // of the access token; 0 where nobody is signed in
			test func(*testing.T, *desktop, badDisk)
		}{
			{"expired", -time.Hour, expiredOnABadDisk},
			{"expiring", 2 * time.Minute, expiringOnABadDisk},
			{"first sign-in", 0, firstSignInOnABadDisk},
			{"first sign-in in a helper", 0, firstSignInInAHelper},
			{"refused", 50 * time.Minute, refusedOnABadDisk},
			{"lent", 2 * time.Minute, lentOnABadDisk},
		} {
			t.Run(trouble.name+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				d := &desktop{computer: newComputer(t)}
				if trouble.keyring {
					d.session = real.New(t, d.path("run"))
					d.env["DBUS_SESSION_BUS_ADDRESS"] = d.Address
					d.Unlock()
					d.store("keyring")
				}
				if trouble.mounts {
					d.namespace()
				}
				d.age(row.left)
				row.test(t, d, trouble)
			})
		}
	}
}

func expiredOnABadDisk(t *testing.T, d *desktop, trouble badDisk) {
	repair := trouble.begin(d, nil)
	for _, command := range []string{"token", "refresh", "doctor"} {
		stdout, stderr, code := d.run(command)
		if code == exitOK || code == exitSignIn || code == exitUsage {
			t.Errorf("%s: exit code %d: %s%s", command, code, stdout, stderr)
		}
		d.tells(command, stdout+stderr, trouble)
		if command == "doctor" && !trouble.keyring && !strings.Contains(stdout, "! tokens' directory: ") {
			t.Errorf("doctor finds nothing wrong with the directory:\n%s", stdout)
		}
	}
	if !trouble.keyring { // otherwise nobody can read the tokens
		stdout, stderr, code := d.run("status")
		if code != exitOK || !strings.Contains(stdout, trouble.says) || strings.Contains(stdout, "memory") {
			t.Errorf("status: exit code %d: %s%s", code, stdout, stderr)
		}
	}
	d.spent(0)
	repair()
	d.mustRun("token")
	d.spent(1)
	d.isKept("repaired")
}

func expiringOnABadDisk(t *testing.T, d *desktop, trouble badDisk) {
	old := ""
	if !trouble.keyring {
		old = d.savedTokens().Access.Reveal() + "\n"
	}
	repair := trouble.begin(d, nil)
	if !trouble.keyring { // else nobody can read them
		stdout, stderr, code := d.run("token")
		if code != exitOK || stdout != old || !strings.Contains(stderr, "The token is valid for ") {
			t.Errorf("token: exit code %d: %s%s", code, stdout, stderr)
		}
		d.tells("token", stderr, trouble)
		stdout, stderr, code = d.run("refresh")
		if code != exitProblem {
			t.Errorf("refresh: exit code %d: %s%s", code, stdout, stderr)
		}
		d.tells("refresh", stderr, trouble)
		d.mustRun("status")
	}
	d.run("doctor")
	d.spent(0)
	repair()
	if fresh := d.mustRun("token"); fresh == old {
		t.Error("repaired, the token is not refreshed")
	}
	d.spent(1)
	d.isKept("repaired")
}

func firstSignInOnABadDisk(t *testing.T, d *desktop, trouble badDisk) {
	repair := trouble.begin(d, nil)
	for _, args := range [][]string{{"connect"}, {"token", "--connect"}} {
		stdout, stderr, code := d.run(args...)
		if code != exitProblem || stdout != "" {
			t.Errorf("%v: exit code %d: %s%s", args, code, stdout, stderr)
		}
		d.tells(args[0], stderr, trouble)
	}
	if n := d.server.Count(domaintest.Authorize); n > 0 {
		t.Error("the person went to the trouble of signing in for nothing")
	}
	repair()
	d.mustRun("connect")
	d.isKept("repaired")
}

// firstSignInInAHelper: a helper that keeps running has the new session in memory, and saves it
// when it ends, if that is possible by then. If the keyring cannot be used, the sign-in does
// not begin.
func firstSignInInAHelper(t *testing.T, d *desktop, trouble badDisk) {
	const connect = `{"jsonrpc":"2.0","id":2,"method":"connect","params":{"openBrowser":true}}`
	var (
		p      *process
		repair func()
	)
	if trouble.keyring { // the helper is to see nothing else
		repair = trouble.begin(d, nil)
		p = d.begin("--stdio")
	} else {
		p = d.begin("--stdio")
		p.answers()
		repair = trouble.begin(d, p)
	}
	_, err := fmt.Fprintln(p.stdin, connect)
	d.check(err)
	p.until(p.stdout.has(`"id":2,`))
	token, fault := p.ask(3, "")
	if trouble.keyring {
		d.tells("connect", p.stdout.text()+"→ ", trouble)
		if token != "" || d.server.Count(domaintest.Authorize) > 0 {
			t.Error("it signed in")
		}
		repair()
		p.finish()
		d.mustRun("connect")
		d.isKept("repaired")
		return
	}
	if !strings.HasPrefix(token, "eyJ") {
		t.Errorf("no token: %s: %s", fault, p.stdout.text())
	}
	if _, said, code := d.run("token"); code != exitSignIn {
		t.Errorf("another process: exit code %d: %s", code, said)
	}
	repair()
	p.finish()
	if other := d.mustRun("token"); strings.TrimSpace(other) != token {
		t.Error("not saved at its end")
	}
	d.spent(0)
	d.isKept("repaired")
}

// refusedOnABadDisk: the endpoint refuses the token that a helper has in memory. A key that
// the helper read before the keyring disappeared still works.
func refusedOnABadDisk(t *testing.T, d *desktop, trouble badDisk) {
	p := d.begin("--stdio")
	p.answers()
	old, fault := p.ask(2, "")
	if old == "" {
		t.Fatal(fault)
	}
	repair := trouble.begin(d, p)
	refused := secret.New(old).Fingerprint()
	if fresh, fault := p.ask(3, refused); fresh != "" {
		if !trouble.keyring {
			t.Error("a token that cannot be saved was spent")
		}
	} else {
		d.tells("getToken", fault, trouble)
		d.spent(0)
	}
	repair()
	fresh, fault := p.ask(4, refused)
	if fresh == "" || fresh == old {
		t.Errorf("repaired: %q", fault)
	}
	if other := d.mustRun("token"); strings.TrimSpace(other) != fresh {
		t.Error("another process has another token")
	}
	d.spent(1)
	p.finish()
	d.isKept("repaired")
}

// lentOnABadDisk: a helper lends the token that it has while it is valid.
func lentOnABadDisk(t *testing.T, d *desktop, trouble badDisk) {
	if trouble.keyring { // it has the key
		p := d.begin("--stdio")
		p.answers()
		p.finish()
		d.spent(1)
		d.isKept("with the keyring")
		return
	}
	saved := d.savedTokens()
	repair := trouble.begin(d, nil)
	p := d.begin("--stdio")
	p.answers()
	for id := range 3 {
		if token, fault := p.ask(10+id, ""); token != saved.Access.Reveal() {
			t.Errorf("%q: %s", token, fault)
		}
	}
	p.finish()
	d.spent(0)
	repair()
	d.mustRun("token")
	d.spent(1)
	d.isKept("repaired")
}

// ask asks a helper with --stdio for a token to replace a refused one.
func (p *process) ask(id int, refused string) (token, fault string) {
	p.c.Helper()
	_, err := fmt.Fprintf(p.stdin, `{"jsonrpc":"2.0","id":%d,"method":"getToken","params":{"rejected":%q}}`+"\n", id, refused)
	p.c.check(err)
	p.until(p.stdout.has(fmt.Sprintf(`"id":%d,`, id)))
	for line := range strings.Lines(p.stdout.text()) {
		var answer struct {
			ID     int
			Result struct{ AccessToken string }
			Error  struct {
				Message string
				Data    struct{ Hint string }
			}
		}
		if json.Unmarshal([]byte(line), &answer) == nil && answer.ID == id {
			return answer.Result.AccessToken, answer.Error.Message + "\n→ " + answer.Error.Data.Hint
		}
	}
	p.c.Fatalf("no answer: %s", p.stdout.text())
	return "", ""
}

// tells checks that a text says what is wrong and what to do.
func (d *desktop) tells(what, text string, trouble badDisk) {
	d.Helper()
	if !strings.Contains(text, trouble.says) || !strings.Contains(text, "→ ") {
		d.Errorf("%s does not tell of %q: %s", what, trouble.says, text)
	}
}

// spent checks how many valid refresh tokens were sent to the domain.
func (d *desktop) spent(want int) {
	d.Helper()
	n := 0
	for _, request := range d.server.Requests(domaintest.Token) {
		if request.Form.Get("grant_type") == "refresh_token" && request.Status == http.StatusOK {
			n++
		}
	}
	if n != want {
		d.Errorf("%d refresh tokens were spent, want %d", n, want)
	}
}

// namespace lets the helpers make mounts. The test is skipped if that is not permitted.
func (d *desktop) namespace() {
	d.Helper()
	enter := []string{"-m"}
	if os.Geteuid() != 0 {
		enter = []string{"-U", "--preserve-credentials", "-m"}
	}
	unshare := []string{"-m", "sh", "-c", `echo ready; while read -r line; do (eval "$line") >/dev/null 2>&1; echo $?; done`}
	if os.Geteuid() != 0 {
		unshare = append([]string{"-U", "-r"}, unshare...)
	}
	holder := exec.Command("unshare", unshare...)
	holder.Env = append(d.environ(), "STATE="+d.path("state/opencode-oci-oidc"))
	in, err := holder.StdinPipe()
	d.check(err)
	out, err := holder.StdoutPipe()
	d.check(err)
	if err := holder.Start(); err != nil {
		d.Skip("there is no unshare, to make mounts for the test alone: ", err)
	}
	d.Cleanup(func() { _ = in.Close(); _ = holder.Wait() })
	said := bufio.NewScanner(out)
	d.inside = func(script string) {
		d.Helper()
		_, _ = fmt.Fprintln(in, script)
		if !said.Scan() || said.Text() != "0" {
			d.Fatalf("%s: exit code %s", script, said.Text())
		}
	}
	if !said.Scan() {
		d.Skip("nobody may make mounts here, such as a full disk: not even in a namespace of one's own")
	}
	d.wrap = append(append([]string{"nsenter", "-t", strconv.Itoa(holder.Process.Pid)}, enter...), "--", "sh", "-c", `cd "$0" && exec "$@"`, d.path("project"))
	d.mkdir("project", 0o700)
}

// age replaces the saved access token by one of an hour's lifetime with the given time left, in
// the form (plain or encrypted) that the configuration asks for. With no time left, nobody is
// signed in.
func (d *desktop) age(left time.Duration) {
	d.Helper()
	if left == 0 {
		d.remove("state/opencode-oci-oidc")
		d.mkdir("state/opencode-oci-oidc", 0o700)
		return
	}
	command := exec.Command(filepath.Join(helperDir(d.T), "age"), left.String())
	command.Dir, command.Env = d.path("."), d.environ()
	if said, err := command.CombinedOutput(); err != nil {
		d.Fatalf("%v: %s", err, said)
	}
}

// If the directory of the tokens is missing, or was created again for something else such as
// the list of models, the session is kept: the home may be on a server that cannot be reached.
// A helper with a valid token in memory still lends it, but sends no refresh token and writes
// no tokens. When the directory is back, the session continues. A sign-in in between starts
// another session.
func TestDirectoryRemoved(t *testing.T) {
	t.Parallel()
	d := &desktop{computer: newComputer(t)}
	p := d.begin("--stdio")
	p.answers()
	old, fault := p.ask(2, "")
	if old == "" {
		t.Fatal(fault)
	}
	const state = "state/opencode-oci-oidc"
	d.check(os.Rename(d.path(state), d.path("state/away")))
	refused := secret.New(old).Fingerprint()
	id := 10
	for _, made := range []string{"nothing", state, state + "/models"} {
		if made != "nothing" {
			d.check(os.MkdirAll(d.path(made), 0o700))
		}
		if token, fault := p.ask(id, ""); token != old {
			t.Errorf("%s: not lent: %q", made, fault)
		}
		if token, fault := p.ask(id+1, refused); token != "" || !strings.Contains(fault, "are gone, together with their directory") || !strings.Contains(fault, "→ If they are on a disk") {
			t.Errorf("%s: refused: %q, %v", made, fault, token == old)
		}
		for _, command := range []string{"doctor", "token", "refresh", "status"} {
			if _, said, code := d.run(command); code != exitSignIn && command != "doctor" {
				t.Errorf("%s: %s: exit code %d: %s", made, command, code, said)
			}
		}
		id += 2
	}
	d.spent(0)
	if left, _ := filepath.Glob(d.path(state + "/*.json")); len(left) > 0 {
		t.Errorf("the tokens are back: %v", left)
	}
	// A disk that was unmounted leaves an empty directory.
	d.remove(state)
	d.check(os.Rename(d.path("state/away"), d.path(state)))
	fresh, fault := p.ask(id, refused)
	if fresh == "" || fresh == old {
		t.Errorf("the directory is back: %q", fault)
	}
	d.spent(1)
	d.isKept("the directory is back")

	d.remove(state)
	for _, command := range []string{"token", "refresh", "status"} {
		if _, said, code := d.run(command); code != exitSignIn {
			t.Errorf("%s: exit code %d: %s", command, code, said)
		}
	}
	d.mustRun("connect")
	if token, fault := p.ask(id+1, ""); token == "" || token == fresh {
		t.Errorf("the new session is not taken up: %q", fault)
	}
	p.finish()
	d.isKept("signed in again")
}
