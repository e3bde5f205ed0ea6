// Package pages has the page that the browser shows at the end of a sign-in, with a
// different text for each result. The page loads nothing, runs no script, follows the
// browser's light or dark mode, and works with a screen reader and on a phone.
package pages

import (
	_ "embed"
	"html"
	"strings"
)

// A Page says how a sign-in ended, or that no sign-in is waiting at this address. Its fields
// are plain text, which HTML escapes.
type Page struct {
	Done  bool // the person is signed in
	Title string
	Text  string
	Next  string // what to do now; may be ""
}

// The pages with a fixed text.
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

// Failed returns the page of a sign-in that failed, with a problem's message and hint.
func Failed(message, hint string) Page {
	return Page{Title: "Not signed in", Text: message, Next: hint}
}

//go:embed result.html
var template string

// HTML returns the page as a document. endpoint is the URL that the sign-in is for; if it is
// "", the page does not mention it.
//
// HTML does not use html/template, because that keeps the linker from removing unused
// methods in the whole program, which makes it a fifth larger.
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
