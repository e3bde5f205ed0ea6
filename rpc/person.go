package rpc

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
)

func short(d time.Duration) string { return words.Short(d) }

// A view is where a person looks.
type view struct {
	At   string `json:"at"`   // tui, terminal or elsewhere
	Rows int    `json:"rows"` // of the window
}

const (
	tui = "tui"
	// The dialog of the TUI begins a quarter down the window, and is cut off below it.
	dialogColumns = 56
	smallWindow   = 30
)

// instructions are what a person is to do, in lines that fit the dialog. Its key c copies
// a code that looks like XXXX-XXXX, else the address. The code is shown as the domain
// spells it: it may not take another.
func instructions(p signin.Prompt, qr []string, v view, now time.Time) string {
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

// A toolInfo is a tool for the model, whose call is answered by the method "tool".
type toolInfo struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

const (
	statusTool  = "oci_oidc_status"
	refreshTool = "oci_oidc_refresh"
)

var tools = []toolInfo{
	{statusTool, fmt.Sprintf("Shows whether the person is signed in to %q, until when, and what to do if not.", providerName)},
	{refreshTool, fmt.Sprintf("Renews the access token for %q now. Use it only when asked to, or when requests are refused.", providerName)},
}

// A commandInfo is a command in the host's palette, run by the method "command".
type commandInfo struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Category string `json:"category"`
}

const (
	statusCommand  = "oci-oidc.status"
	refreshCommand = "oci-oidc.refresh"
	signInCommand  = "oci-oidc.sign-in"
)

var commands = []commandInfo{
	{statusCommand, "Sign-in: show the status", "Company models"},
	{refreshCommand, "Sign-in: renew the token", "Company models"},
	{signInCommand, "Sign-in: sign in again", "Company models"},
}

type nameParams struct {
	Name string `json:"name"`
}

type toolResult struct {
	Title  string `json:"title"`
	Output string `json:"output"`
}

// tool answers a model's call of one of our tools. A problem is an answer, too.
func (s *server) tool(ctx context.Context, p nameParams) (any, error) {
	if p.Name == statusTool {
		session, err := s.open()
		status := NewStatusResult(session, err, s.Log.Path(), s.Version)
		return toolResult{s.statusTitle(status), s.statusText(status)}, nil
	}
	renewed, err := s.renew(ctx)
	if err != nil {
		return toolResult{"A problem with the sign-in", problem.From(err).Error()}, nil
	}
	return toolResult{"Token renewed", renewed + "\nNothing more to do: requests use it from now on."}, nil
}

// renew gets a new token and says so.
func (s *server) renew(ctx context.Context) (string, error) {
	session, err := s.open()
	if err != nil {
		return "", err
	}
	token, err := session.Refresh(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("The token was renewed and is %s (local time).", words.Valid(token.ExpiresAt, time.Now())), nil
}

// A commandResult is what the host is to show.
type commandResult struct {
	Alert    *alert `json:"alert,omitempty"`
	Toast    *toast `json:"toast,omitempty"`
	Dispatch string `json:"dispatch,omitempty"` // another command of the host
}

type alert struct {
	Title   string `json:"title"`
	Message string `json:"message"`
}

type toast struct {
	Variant string `json:"variant"`
	Message string `json:"message"`
}

// command runs a command of the palette.
func (s *server) command(ctx context.Context, p nameParams) (any, error) {
	switch p.Name {
	case statusCommand:
		session, err := s.open()
		return commandResult{Alert: &alert{providerName, s.statusText(NewStatusResult(session, err, s.Log.Path(), s.Version))}}, nil
	case refreshCommand:
		renewed, err := s.renew(ctx)
		if err != nil {
			return commandResult{Toast: &toast{"error", problem.From(err).Error()}}, nil
		}
		return commandResult{Toast: &toast{"success", renewed}}, nil
	default:
		return commandResult{Dispatch: "provider.connect"}, nil
	}
}

func (s *server) statusTitle(r StatusResult) string {
	switch {
	case !r.SignedIn:
		return "Not signed in"
	case r.ExpiresAt == nil:
		return strings.TrimSuffix("Signed in as "+r.Subject, " as ")
	default:
		return fmt.Sprintf("Signed in as %s, token %s", r.Subject, words.Valid(*r.ExpiresAt, time.Now()))
	}
}

// statusText is the status as a table.
func (s *server) statusText(r StatusResult) string {
	var b bytes.Buffer
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		for i, line := range strings.Split(value, "\n") {
			if value == "" {
				return
			}
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(table, "%s\t%s\n", name, line)
		}
	}
	signedIn, token, refresh, next := "no", "", "", fmt.Sprintf("run /connect and choose %q", providerName)
	if r.SignedIn {
		signedIn = strings.TrimSuffix("yes, as "+r.Subject, ", as ")
		refresh, next = "by itself", "nothing to do"
		if !r.Refreshable {
			refresh, next = "not possible: there is no refresh token", "sign in again with /connect when the token has expired"
		}
	}
	if r.ExpiresAt != nil {
		token = words.Valid(*r.ExpiresAt, time.Now()) + " (local time)"
	}
	s.mu.Lock()
	client := s.client
	s.mu.Unlock()
	row("Signed in", signedIn)
	row("Token", token)
	row("Refresh", refresh)
	row("Domain", r.Domain)
	row("Endpoint", r.Endpoint)
	row("Method", r.AuthMethod)
	row("Configuration", r.ConfigPath)
	row("Log", r.LogPath)
	row("Versions", fmt.Sprintf("%s %s, helper %s", client.Name, client.Version, r.Version))
	if r.Problem != nil {
		row("Problem", r.Problem.Message)
		next = r.Problem.Hint
	}
	row("Next step", next)
	_ = table.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

// forRequest is a problem as it ends a request: signing in is a matter of /connect.
func (s *server) forRequest(err error) *problem.Problem {
	p := problem.From(err)
	if p.Kind != problem.LoginRequired {
		return p
	}
	login := "opencode auth login -p " + provider
	if s.isHost(opencode2) {
		login = "opencode auth login " + provider
	}
	return problem.New(problem.LoginRequired, "You are not signed in, or your session has ended.",
		fmt.Sprintf("Run /connect and choose %q, or run %q in a terminal.", providerName, login)).Because(err)
}

// brief is a kind's fixed sentence, free of names, paths and numbers, for a host that
// misreads the words of an error.
func brief(kind problem.Kind) string {
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
