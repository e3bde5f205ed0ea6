// Package pages is what a person's browser shows at the end of a sign-in: one page,
// in a handful of texts. A page loads nothing, runs no script, follows the browser's
// light or dark mode, and can be read by a screen reader and on a phone.
package pages

import (
	_ "embed"
	"html"
	"strings"
)

// A Page says how a sign-in ended, or that there is none at this address. All of it
// is plain text.
type Page struct {
	Done  bool // the person is signed in
	Title string
	Text  string
	Next  string // what to do now; may be ""
}

// The pages whose text is always the same.
var (
	SignedIn = Page{Done: true, Title: "You are signed in",
		Text: "OpenCode can now use your company’s models."}
	TimedOut = Page{Title: "This sign-in has timed out",
		Text: "It took longer than a sign-in may take, and nothing was changed.",
		Next: "To sign in, run /connect in OpenCode again."}
	OtherSignIn = Page{Title: "Not the sign-in that is waiting",
		Text: "Your browser brought the answer to another sign-in, perhaps an older one. It was not used, and the sign-in that is waiting goes on.",
		Next: "To sign in, use the address that OpenCode shows now."}
	Nothing = Page{Title: "No sign-in is waiting here",
		Text: "This address belongs to no sign-in that is waiting.",
		Next: "To sign in, run /connect in OpenCode and use the address that it shows."}
)

// Failed is the page of a sign-in that ended with a problem: why, and what to do.
func Failed(message, hint string) Page {
	return Page{Title: "Not signed in", Text: message, Next: hint}
}

//go:embed result.html
var template string

// HTML is the page as a document. endpoint is what the sign-in is for; without one
// it is not named.
//
// It is not made with html/template, which keeps the linker from dropping unused
// methods anywhere: a fifth of the program.
func (p Page) HTML(endpoint string) string {
	mark, sign := "failed", "!"
	if p.Done {
		mark, sign = "done", "✓"
	}
	if endpoint != "" {
		endpoint = "Sign-in for " + endpoint
	}
	return strings.NewReplacer(
		"{{mark}}", mark,
		"{{sign}}", sign,
		"{{title}}", html.EscapeString(p.Title),
		"{{text}}", html.EscapeString(p.Text),
		"{{next}}", html.EscapeString(p.Next),
		"{{endpoint}}", html.EscapeString(endpoint),
	).Replace(template)
}
