package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin/pages"
)

// longEndpoint is as long as a company's may be, with nowhere to break the line.
const longEndpoint = "https://gateway.eu-frankfurt-1.prod.language-models.example-company.com/20260101/deployments/abcdefghijklmnopqrstuvwxyz0123456789/v1"

// shownPages are all that a browser may be shown at the end of a sign-in.
var shownPages = map[string]pages.Page{
	"signed in": pages.SignedIn, "timed out": pages.TimedOut, "another sign-in": pages.OtherSignIn, "nothing": pages.Nothing,
	"refused": pages.Failed(`Could not sign in: the domain refused it (access_denied, "The authorization server denied the request of application `+
		strings.Repeat("0123456789abcdef", 4)+`.", ECID 8fab501d171991c10000000).`, "Ask your administrator whether you may use this application."),
}

// The pages are whole at a phone's and at a desktop's size, by day and by night,
// and an accessibility checker finds nothing in them.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile("browser/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Skip("axe-core is not installed: run make e2e once")
	}
	b := newBrowser(t)
	var page pages.Page
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, page.HTML(longEndpoint))
	}))
	t.Cleanup(server.Close)
	for name, shown := range shownPages {
		for _, view := range []struct {
			name          string
			width, height int64
		}{{"phone", 320, 568}, {"desktop", 1280, 800}} {
			for _, light := range []string{"light", "dark"} {
				page = shown
				b.do("resize", chromedp.EmulateViewport(view.width, view.height))
				b.do("switch the light", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
					features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: light}}
					_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
					return err
				}))
				b.opens(server.URL)
				for _, cut := range b.lists(cutOff) {
					t.Errorf("%s, %s, %s: cut off: %s", name, view.name, light, cut)
				}
				for _, violation := range b.lists(string(axe) + axeViolations) {
					t.Errorf("%s, %s, %s: %s", name, view.name, light, violation)
				}
			}
		}
	}
}

// cutOff lists the texts of a page that are not whole.
const cutOff = `[...document.body.querySelectorAll("*")].filter(e => {
	const box = e.getBoundingClientRect()
	return box.left < 0 || box.top + scrollY < 0 || box.right > innerWidth || e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1
}).map(e => e.outerHTML)`

// axeViolations lists what axe-core finds.
const axeViolations = `; axe.run().then(found => found.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html)))`

// lists returns the list of texts that an expression in the page is.
func (b *browser) lists(expression string) []string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageLimit)
	defer cancel()
	list, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.page())
	}
	return list
}
