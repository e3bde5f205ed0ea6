package pages

import (
	"strings"
	"testing"
)

// Text of the domain is escaped on our pages.
func TestPagesEscapeText(t *testing.T) {
	const evil = `<script>"{{title}}{{next}}'&`
	for _, p := range []Page{{Title: evil, Text: evil, Next: evil}, Failed(evil, evil), SignedIn} {
		got := p.HTML(evil)
		if strings.Contains(got, "<script") || strings.Contains(got, "{{mark}}") || strings.Count(got, "<p") != 4 {
			t.Errorf("the page is %s", got)
		}
	}
}

// Every page says that it can be closed, and what the sign-in was for.
func TestEveryPageSaysWhatToDo(t *testing.T) {
	for _, p := range []Page{SignedIn, TimedOut, OtherSignIn, Nothing, Failed("Maria said no.", "Sign in again.")} {
		got := p.HTML("https://llm.example.com/v1")
		for _, want := range []string{p.Title, p.Text, p.Next, "You can close this window", "https://llm.example.com/v1"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: it does not say %q", p.Title, want)
			}
		}
	}
}
