package opencode

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A View is where a person looks.
type View struct {
	At   string `json:"at"`   // tui, terminal or elsewhere
	Rows int    `json:"rows"` // of the window
}

const (
	tui = "tui"
	// The dialog of the TUI begins a quarter down the window, and is cut off below it.
	dialogColumns = 56
	smallWindow   = 30
)

// Instructions are what a person is to do, in lines that fit the dialog. Its key c copies
// a code that looks like XXXX-XXXX, else the address. The code is shown as the domain
// spells it: it may not take another.
func Instructions(p signin.Prompt, qr []string, v View, now time.Time) string {
	valid := "This sign-in is " + words.Valid(p.ExpiresAt, now) + "."
	var lines []string
	switch {
	case p.Flow == signin.Paste && v.At == tui && v.Rows < smallWindow:
		// OpenCode's own word on the key Enter is cut off there.
		return "Sign in there, paste the address where it ends, Enter."
	case p.Flow == signin.Paste:
		lines = []string{
			"Open the address in any browser, and sign in. It ends at",
			"a page that cannot be opened: copy the whole address of",
			"that page, and paste it here.",
		}
		if v.At == tui {
			lines = append(lines, "To copy the address below, select it with the mouse.")
		}
	case p.UserCode == "" && p.BrowserOpened:
		lines = []string{"A browser window has been opened: sign in there."}
	case p.UserCode == "":
		lines = []string{"Open the address in a browser on this computer."}
	default:
		lines = []string{"Code: " + p.UserCode, "Open the address on any device and enter the code."}
		if v.At == tui {
			copied := "address"
			if codeThatIsCopied().MatchString(p.UserCode) {
				copied = "code"
			}
			lines = append(lines, "The key c copies the "+copied+".")
		}
	}
	lines = append(lines, valid)
	begin := v.Rows/4 + 5 + (len(p.URL)+dialogColumns-1)/dialogColumns
	if len(qr) > 0 && begin+len(lines)+len(qr) <= v.Rows {
		lines = append(append(lines, ""), qr...)
	}
	return strings.Join(lines, "\n")
}

var codeThatIsCopied = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[A-Z0-9]{4}-[A-Z0-9]{4,5}`) })

// A Tool is a tool for the model, whose call is answered by the method "tool".
type Tool struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// The names of the tools.
const (
	StatusTool  = "oci_oidc_status"
	RefreshTool = "oci_oidc_refresh"
)

var tools = []Tool{
	{StatusTool, fmt.Sprintf("Shows whether the person is signed in to %q, until when, and what to do if not.", ProviderName)},
	{RefreshTool, fmt.Sprintf("Renews the access token for %q now. Use it only when asked to, or when requests are refused.", ProviderName)},
}

// A Command is a command in the host's palette, run by the method "command".
type Command struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Category string `json:"category"`
}

// The names of the commands.
const (
	StatusCommand  = "oci-oidc.status"
	RefreshCommand = "oci-oidc.refresh"
	SignInCommand  = "oci-oidc.sign-in"
)

var commands = []Command{
	{StatusCommand, "Sign-in: show the status", "Company models"},
	{RefreshCommand, "Sign-in: renew the token", "Company models"},
	{SignInCommand, "Sign-in: sign in again", "Company models"},
}

// Brief is a kind's fixed sentence, free of names, paths and numbers, for a host that
// misreads the words of an error.
func Brief(kind problem.Kind) string {
	what, ok := map[problem.Kind]string{
		problem.LoginRequired: "You are not signed in, or your session has ended. Run /connect to sign in.",
		problem.LoginDenied:   "The sign-in was refused.",
		problem.LoginTimeout:  "Nobody finished the sign-in in time.",
		problem.Config:        "Something has to be corrected in the configuration of opencode-oci-oidc, or around it.",
		problem.Untrusted:     "The project's configuration has to be confirmed with /connect before it is used.",
		problem.Network:       "The identity domain or the endpoint could not be reached.",
		problem.TLS:           "A certificate was not accepted.",
		problem.Throttled:     "The identity domain is too busy.",
		problem.Domain:        "The identity domain said no, or answered something that cannot be understood.",
		problem.PortInUse:     "The port of the redirect is taken.",
		problem.Store:         "A file could not be read or written.",
		problem.Cancelled:     "The request was cancelled.",
	}[kind]
	if !ok {
		what = "Something went wrong inside oci-oidc-helper."
	}
	return what + ` The details are in "oci-oidc-helper status", and in the log, which "oci-oidc-helper logs" shows.`
}

// An Item stands beside the prompt: whether and for how long the session is good. There
// is room for some 18 columns, since the name of the provider stands there, too.
type Item struct {
	Text  string `json:"text"`
	Level string `json:"level"` // good, warning or error
}

// soon is how long before a sign-in is needed a person is told, since it takes them a
// moment.
const soon = 10 * time.Minute

// ItemFor returns the item for a status.
func ItemFor(status oidc.Status, now time.Time) *Item {
	good := func(text string) *Item { return &Item{strings.TrimSpace("OCI ✓ " + text), "good"} }
	warning := func(text string) *Item { return &Item{"OCI ! " + text, "warning"} }
	left := max(0, status.ExpiresAt.Sub(now))
	switch {
	case !status.SignedIn:
		return warning("/connect")
	case !status.Refreshable && left > soon:
		return good(words.Short(left))
	case !status.Refreshable || status.Problem != nil && left > 0:
		return warning(words.Short(left) + " left")
	case status.Problem != nil:
		return warning("not renewed")
	case left > 0:
		return good(words.Short(left))
	default:
		return good("") // the next request renews it
	}
}

// A CommandResult is what the host is to show.
type CommandResult struct {
	Alert    *Alert `json:"alert,omitempty"`
	Toast    *Toast `json:"toast,omitempty"`
	Dispatch string `json:"dispatch,omitempty"` // another command of the host
}

// An Alert is a dialog with a text.
type Alert struct {
	Title   string `json:"title"`
	Message string `json:"message"`
}

// A Toast is a text that passes.
type Toast struct {
	Variant string `json:"variant"`
	Message string `json:"message"`
}

// NotSignedIn is the problem of a request without a session.
func NotSignedIn(version2 bool) *problem.Problem {
	login := "opencode auth login -p " + config.Provider
	if version2 {
		login = "opencode auth login " + config.Provider
	}
	return problem.New(problem.LoginRequired, "You are not signed in, or your session has ended.",
		fmt.Sprintf("Run /connect and choose %q, or run %q in a terminal.", ProviderName, login))
}
