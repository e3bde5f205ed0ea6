package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestConnectInTheTUI is a person who tries everything that /connect has, in the
// TUI at two sizes of a window. What they see is kept in testdata/tui, to be read.
func TestConnectInTheTUI(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ columns, rows int }{{120, 40}, {80, 24}} {
		t.Run(fmt.Sprintf("%dx%d", size.columns, size.rows), func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{})
			configured := confidential(t, domain)
			me := newConfiguredComputer(t, opencode.Latest, configured)
			tui := me.opensTUI(size.columns, size.rows)

			tui.connects()
			tui.shows(withPaste)
			tui.looksLike("methods")

			// What each way shows, and away from it with Esc.
			tui.chooses(withBrowser)
			tui.shows("A browser window has been opened", "Waiting for")
			tui.opens()
			tui.looksLike("browser")
			tui.presses("Escape")
			tui.showsNot("Waiting for")

			tui.connects()
			tui.chooses(withCode)
			tui.shows("Code: ")
			tui.looksLike("device")
			tui.presses("c")
			tui.shows("Copied to clipboard")
			tui.presses("Escape")
			tui.showsNot("Code: ")
			tui.showsNot("Copied to clipboard")

			tui.connects()
			tui.chooses(withPaste)
			tui.shows("Authorization code")
			tui.looksLike("paste")
			tui.presses("Escape")
			tui.showsNot("Authorization code")

			// Again: somebody says no in the browser.
			tui.connects()
			tui.chooses(withBrowser)
			person := newBrowser(t)
			person.opens(tui.opens())
			person.clicks("#deny")
			tui.shows("Sign-in failed", "it was refused")
			tui.looksLike("browser-denied")

			// The port belongs to another program.
			redirect, err := url.Parse(configured.Redirect)
			if err != nil {
				t.Fatal(err)
			}
			other, err := net.Listen("tcp", "127.0.0.1:"+redirect.Port())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = other.Close() }()
			tui.connects()
			tui.chooses(withBrowser)
			tui.shows("by another program.", "Close this with Esc.")
			tui.showsNot("it was refused")
			tui.looksLike("browser-port-in-use")
			tui.presses("Escape")
			tui.showsNot("Close this with Esc.")

			// Nobody enters the code in time.
			domain.Change(func(o *domaintest.Options) { o.DeviceLife = 3 })
			tui.connects()
			tui.chooses(withCode)
			tui.shows("Sign-in failed", "not entered in time")
			tui.looksLike("device-expired")

			// Something else is pasted, and then the right thing.
			tui.connects()
			tui.chooses(withPaste)
			tui.pastes("https://www.example.com/")
			tui.shows("Invalid code", "The pasted text is")
			tui.looksLike("paste-wrong")
			answer, err := domain.Allow(t.Context(), tui.address())
			if err != nil {
				t.Fatalf("%v\n%s", err, tui.screen())
			}
			tui.presses("C-u")
			tui.pastes(answer)
			tui.shows("Favorite") // the list of models
			me.keepsNoTokenIn(me.AuthFile())
		})
	}
}

// A person closes the dialog of a sign-in with Esc. Where the plugin is part of the TUI it
// notices that: the outcome of the sign-in is not shown, and no other dialog is closed.
func TestNothingIsShownAfterASignInWasCancelled(t *testing.T) {
	t.Parallel()
	root, err := opencode.Root()
	check(t, err)
	for _, version := range []string{opencode.Latest, opencode.Middle} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{})
			me := newConfiguredComputer(t, version, confidential(t, domain))
			me.write(me.ConfigDir(), "tui.json", map[string]any{"plugin": []string{"file://" + filepath.Join(root, "npm-shim")}})
			tui := me.opensTUI(120, 40)
			tui.shows("OCI ! /connect")
			begins := func() (refuse func()) {
				t.Helper()
				tui.connects()
				tui.chooses(withCode)
				tui.shows("Code: ", "Waiting for")
				code := regexp.MustCompile(`Code: (\S+)`).FindStringSubmatch(tui.screen())[1]
				failures := strings.Count(me.log(), `msg="sign-in failed"`)
				return func() {
					t.Helper()
					check(t, domain.DenyDevice(code))
					tui.until("the end of the sign-in", func(string) bool { return strings.Count(me.log(), `msg="sign-in failed"`) > failures })
				}
			}

			refuse := begins()
			tui.presses("Escape")
			tui.showsNot("Code: ")
			tui.settles()
			tui.presses("C-p")
			tui.shows("Commands")
			refuse()
			for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(pollEvery) { // a toast comes after one
				if screen := tui.screen(); strings.Contains(screen, "Sign-in failed") || !strings.Contains(screen, "Commands") {
					t.Fatalf("after Esc there is\n%s", screen)
				}
			}
			tui.presses("Escape")
			tui.showsNot("Commands")

			refuse = begins()
			refuse()
			tui.shows("Sign-in failed", "it was refused")
		})
	}
}

// TestPasteAtThePrompt: every version of OpenCode takes what is pasted.
func TestPasteAtThePrompt(t *testing.T) {
	t.Parallel()
	for _, version := range []string{opencode.Latest, opencode.Middle, opencode.Oldest} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{})
			me := newConfiguredComputer(t, version, confidential(t, domain))
			login := []string{"auth", "login", "-p", "oci-oidc", "-m", withPaste}
			asked := []string{"copy the whole address of", "Paste the authorization code here"}

			window := me.opensWindow(120, 40, login...)
			window.shows(asked...)
			address := regexp.MustCompile(`http://\S+`).FindString(window.tmux("", "capture-pane", "-p", "-J"))
			answer, err := domain.Allow(t.Context(), address)
			if err != nil {
				t.Fatalf("%v\n%s", err, window.screen())
			}
			window.pastes(answer)
			window.shows("Login successful")
			me.keepsNoTokenIn(me.AuthFile())
			if version != opencode.Latest {
				return
			}

			window.again()
			window.shows(asked...)
			window.pastes("https://www.example.com/")
			window.shows("Failed to authorize", "The pasted text is neither the address nor a code.")
		})
	}
}

// dialogColumns is how wide the text of OpenCode's dialogs is.
const dialogColumns = 56

// A tui is OpenCode's, in a terminal of its own, before a person.
type tui struct {
	t      *testing.T
	socket string // of tmux
	dir    string // of the pictures
	opened string // the browser's notes, an address a line
	read   int    // lines of it
}

// opensTUI opens OpenCode in a window of the given size.
func (c *computer) opensTUI(columns, rows int) *tui {
	c.t.Helper()
	w := c.opensWindow(columns, rows)
	w.shows("Ask anything", "Stand-in")
	w.showsNot("Finishing startup")
	return w
}

// opensWindow runs OpenCode in a window of the given size, which stays when it ends.
func (c *computer) opensWindow(columns, rows int, args ...string) *tui {
	c.t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		c.t.Skip("there is no tmux: on Debian, apt-get install tmux")
	}
	w := &tui{t: c.t, socket: filepath.Join(c.Dir, "tmux"), opened: filepath.Join(c.Dir, "opened"),
		dir: filepath.Join("testdata", "tui", fmt.Sprintf("%dx%d", columns, rows))}
	command := c.Command(c.t.Context(), args...)
	tmux := exec.Command("tmux", slices.Concat([]string{"-f", "/dev/null", "-S", w.socket, "new-session", "-d",
		"-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows), "-c", c.Project}, command.Args,
		[]string{";", "set-option", "remain-on-exit", "on"})...)
	tmux.Env = append(command.Env, "OPENED="+w.opened)
	if output, err := tmux.CombinedOutput(); err != nil {
		c.t.Fatalf("tmux: %v\n%s", err, output)
	}
	c.t.Cleanup(func() {
		pid, _ := exec.Command("tmux", "-S", w.socket, "display-message", "-p", "#{?pane_dead,,#{pane_pid}}").Output()
		if pid := strings.TrimSpace(string(pid)); pid != "" {
			_ = exec.Command("kill", "-KILL", pid).Run()
		}
		_ = exec.Command("tmux", "-S", w.socket, "kill-server").Run()
	})
	return w
}

// tmux gives tmux a command about the window.
func (w *tui) tmux(input string, args ...string) string {
	w.t.Helper()
	command := exec.Command("tmux", append([]string{"-S", w.socket}, args...)...)
	command.Stdin = strings.NewReader(input)
	output, err := command.Output()
	if err != nil {
		w.t.Fatalf("tmux %q: %v", args, err)
	}
	return string(output)
}

func (w *tui) screen() string { return w.tmux("", "capture-pane", "-p") }

func (w *tui) presses(key string) { w.t.Helper(); w.tmux("", "send-keys", key) }

// types types text as one that is quick, but not too quick for the TUI.
func (w *tui) types(text string) { w.t.Helper(); w.tmux("", "send-keys", "-l", text) }

// pastes pastes text from the clipboard, and sends it.
func (w *tui) pastes(text string) {
	w.t.Helper()
	w.tmux(text, "load-buffer", "-")
	w.tmux("", "paste-buffer", "-p")
	w.settles()
	w.presses("Enter")
}

// connects opens the dialog that lists the ways to sign in.
func (w *tui) connects() {
	w.t.Helper()
	w.types("/connect")
	w.shows("Connect provider")
	w.presses("Enter")
	w.shows("Connect a provider")
	w.types("OCI")
	w.settles()
	w.presses("Enter")
	w.shows("Select auth method")
}

// chooses chooses from a list.
func (w *tui) chooses(label string) {
	w.t.Helper()
	w.types(label)
	w.settles()
	w.presses("Enter")
	w.showsNot("Select auth method")
}

// shows waits until all of it is on the screen, on one line or several.
func (w *tui) shows(wanted ...string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%q", wanted), func(screen string) bool {
		words := strings.Join(strings.Fields(strings.ReplaceAll(screen, "┃", " ")), " ")
		for _, text := range wanted {
			if !strings.Contains(words, text) {
				return false
			}
		}
		return true
	})
}

func (w *tui) showsNot(text string) {
	w.t.Helper()
	w.until("a screen without "+text, func(screen string) bool { return !strings.Contains(screen, text) })
}

// settles waits until the screen no longer changes.
func (w *tui) settles() string {
	w.t.Helper()
	before := ""
	return w.until("a screen that stays", func(screen string) bool {
		same := screen == before
		before = screen
		time.Sleep(5 * pollEvery)
		return same
	})
}

func (w *tui) until(what string, there func(screen string) bool) string {
	w.t.Helper()
	for deadline := time.Now().Add(runLimit); ; time.Sleep(pollEvery) {
		screen := w.screen()
		if there(screen) {
			return screen
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("the TUI does not come to %s\n%s", what, screen)
		}
	}
}

// opens waits until one more browser was to be opened, and returns the address.
func (w *tui) opens() string {
	w.t.Helper()
	address := ""
	w.until("opening a browser", func(string) bool {
		notes, _ := os.ReadFile(w.opened)
		lines := strings.SplitAfter(string(notes), "\n")
		if len(lines) <= w.read+1 {
			return false
		}
		address = strings.TrimSpace(lines[w.read])
		return true
	})
	w.read++
	return address
}

// ends waits for the end of OpenCode.
func (w *tui) ends() {
	w.t.Helper()
	w.until("its end", func(string) bool { return w.tmux("", "display-message", "-p", "#{pane_dead}") == "1\n" })
}

// again runs the same command once more.
func (w *tui) again() {
	w.t.Helper()
	w.ends()
	w.tmux("", "respawn-pane")
}

// address reads the address in the dialog, which takes several lines.
func (w *tui) address() string {
	w.t.Helper()
	lines, first, last := addressLines(w.settles())
	var address strings.Builder
	for _, line := range lines[first:last] {
		address.WriteString(strings.TrimSpace(line))
	}
	return address.String()
}

// addressLines returns the lines of a screen with a long address in a dialog, cut
// to what belongs to the dialog from the address on, and where the address is.
func addressLines(screen string) (lines []string, first, last int) {
	lines = strings.Split(screen, "\n")
	first = slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "http://127.0.0.1") })
	if first < 0 {
		return lines, len(lines), len(lines)
	}
	before, _, _ := strings.Cut(lines[first], "http://")
	column := len([]rune(before))
	for i := first; i < len(lines); i++ {
		text := []rune(lines[i])
		lines[i] = strings.Repeat(" ", column) + string(text[min(column, len(text)):min(column+dialogColumns, len(text))])
	}
	last = first
	for last < len(lines) && strings.TrimSpace(lines[last]) != "" {
		last++
	}
	return lines, first, last
}

// looksLike compares the screen with the picture that is kept.
func (w *tui) looksLike(name string) {
	w.t.Helper()
	got := unvarying(w.settles())
	file := filepath.Join(w.dir, name+".txt")
	if *update {
		if err := errors.Join(os.MkdirAll(w.dir, 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
			w.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if !bytes.Equal(want, []byte(got)) {
		w.t.Errorf("%s is\n%s\nwant\n%s\nIf it is better: go test ./e2e -run %s -update", file, got, want, w.t.Name())
	}
}

// What differs from run to run, and a stable text of the same length for it.
var varying = []struct {
	text   *regexp.Regexp
	stable string
}{
	{regexp.MustCompile(`(127\.0\.0\.1|localhost):\d{5}`), "$1:#####"},
	{regexp.MustCompile(`(localhost:#####/)[A-Z0-9]{10}`), "${1}XXXXXXXXXX"},
	{regexp.MustCompile(`Code: [A-Z]{8}`), "Code: BCDFGHJK"},
	{regexp.MustCompile(`\d\d:\d\d\b`), "HH:MM"},
	{regexp.MustCompile(`Ask anything… "[^"]*"`), "Ask anything…"},
	{regexp.MustCompile(regexp.QuoteMeta(opencode.Latest)), "VERSION"},
}

var (
	// camera is a line of a code for a camera, of which only the place is kept.
	camera   = regexp.MustCompile(`██[█▀▄ ]{20,}██`)
	trailing = regexp.MustCompile(` +\n`)
	// foot is what a small window has room for or not, below an address that wraps.
	foot = regexp.MustCompile(`(Authorization code)\s+enter submit\s*$`)
)

// unvarying is the screen without what differs from run to run.
func unvarying(screen string) string {
	for _, v := range varying {
		screen = v.text.ReplaceAllString(screen, v.stable)
	}
	screen = camera.ReplaceAllStringFunc(screen, func(line string) string { return strings.Repeat("▒", len([]rune(line))) })
	if strings.Contains(screen, "/oauth2/v1/authorize?") {
		// Where it wraps depends on what is random in it.
		lines, first, last := addressLines(screen)
		lines[first] = strings.Repeat(" ", strings.Index(lines[first], "http")) + "(here the address of the domain's page, on some lines)"
		screen = foot.ReplaceAllString(strings.Join(slices.Delete(lines, first+1, last), "\n"), "$1\n")
	}
	return strings.TrimRight(trailing.ReplaceAllString(screen, "\n"), " \n") + "\n"
}
