package opencode

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A View describes where the instructions are shown.
type View struct {
	At   string `json:"at"`   // tui, terminal or elsewhere
	Rows int    `json:"rows"` // of the window
}

const (
	tui = "tui"
	// The TUI's dialog begins at a quarter of the window's height, and what does not fit below is cut off.
	dialogColumns = 56
	smallWindow   = 30
)

// Instructions returns what the person should do, in lines that fit the dialog. In the
// dialog the key c copies a code that looks like XXXX-XXXX, or else the address. The code is
// shown exactly as the domain sent it, because the domain may not accept another spelling.
func Instructions(p signin.Prompt, qr []string, v View, now time.Time) string {
	valid := "This sign-in is " + words.Valid(p.ExpiresAt, now) + "."
	var lines []string
	switch {
	case p.Flow == signin.Paste && v.At == tui && v.Rows < smallWindow:
		// In a window this small OpenCode's own hint about the key Enter is cut off.
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

// A Tool is offered to the model. The RPC method "tool" runs it.
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

// A Command is listed in the host's palette. The RPC method "command" runs it.
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
	EndCommand     = "oci-oidc.end" // not in the palette: see Item
)

var commands = []Command{
	{StatusCommand, "Sign-in: show the status", "Company models"},
	{RefreshCommand, "Sign-in: renew the token", "Company models"},
	{SignInCommand, "Sign-in: sign in again", "Company models"},
}

// Brief returns the fixed sentence for a kind of problem. It has no names, paths or
// numbers, which OpenCode would take for a reason to retry.
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

// An Item is shown beside the host's prompt: whether the person is signed in, and how long
// the token is valid. There is room for about 18 columns, because the provider's name is
// shown there, too.
type Item struct {
	Text  string `json:"text"`
	Level string `json:"level"` // good, warning or error
	// Command is what a host must run when it shows the item, or "": there is something to
	// tell the person, and only a host that can show it may count it as told.
	Command string `json:"command,omitempty"`
}

// soon is how long before the expiry the item warns that a new sign-in will be needed.
const soon = 10 * time.Minute

// ItemFor returns the item for all sessions: that of llm_base_url, unless this one is good
// and another, which the person has signed in to, is not.
func ItemFor(sessions *scopes.Sessions, now time.Time) *Item {
	var item *Item
	command := ""
	for _, session := range sessions.All() {
		status := session.Status()
		if item == nil || item.Level == "good" && (status.SignedIn || status.Problem != nil) {
			item = itemFor(status, now)
		}
		if status.EndDue {
			command = EndCommand
		}
	}
	item.Command = command
	return item
}

// itemFor returns the item for a session's status.
func itemFor(status oidc.Status, now time.Time) *Item {
	good := func(text string) *Item { return &Item{Text: strings.TrimSpace("OCI ✓ " + text), Level: "good"} }
	warning := func(text string) *Item { return &Item{Text: "OCI ! " + text, Level: "warning"} }
	left := max(0, status.ExpiresAt.Sub(now))
	end := words.Short(status.End.At.Sub(now))
	switch {
	case !status.SignedIn:
		return warning("/connect")
	case !status.Refreshable && left > soon:
		return good(words.Short(left))
	case !status.Refreshable || status.Problem != nil && left > 0:
		return warning(words.Short(left) + " left")
	case status.Problem != nil:
		return warning("not renewed")
	case status.EndNear && status.End.Of == tokens.SignOn:
		return warning("SSO " + end)
	case status.EndNear:
		return warning(end + " left")
	case left > 0:
		return good(words.Short(left))
	default:
		return good("") // the next request renews it
	}
}

// A CommandResult is what the host should show or do after a command.
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

// A Toast is a text that is shown for a moment.
type Toast struct {
	Variant  string `json:"variant"`
	Message  string `json:"message"`
	Duration int    `json:"duration,omitempty"` // in milliseconds; 0 is the host's own
}

// toastDuration is how long a text is shown that nobody is waiting for, in milliseconds.
const toastDuration = 15_000

// NotSignedIn returns the problem of a request that needs a sign-in first.
// The configuration is the session's.
func NotSignedIn(c config.Config, version2 bool) *problem.Problem {
	if c.Session != "" {
		return problem.New(problem.LoginRequired, fmt.Sprintf("You are not signed in for %s, or that session has ended.", endpoint.Named(c.Others)),
			fmt.Sprintf("Run /connect, choose %q and then a way to sign in that ends in (%s), or run \"oci-oidc-helper connect --endpoint %s\" in a terminal.", ProviderName, endpoint.IDs(c.Others), c.Session))
	}
	login := "opencode auth login -p " + config.Provider
	if version2 {
		login = "opencode auth login " + config.Provider
	}
	return problem.New(problem.LoginRequired, "You are not signed in, or your session has ended.",
		fmt.Sprintf("Run /connect and choose %q, or run %q in a terminal.", ProviderName, login))
}
