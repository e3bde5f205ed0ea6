package e2e

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// pageLimit is for one page of the browser to come and to be used.
const pageLimit = 30 * time.Second

// rebound is a name that the browsers here believe to be this machine's.
const rebound = "rebound.example"

// A browser is a headless Chromium that a person types into.
type browser struct {
	t   *testing.T
	ctx context.Context
}

// newBrowser starts a Chromium with nothing in it.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("there is no Chromium: on Debian, apt-get install chromium")
	}
	home := tempDir(t)
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program),
		chromedp.UserDataDir(home),
		chromedp.Env("HOME="+home, "TMPDIR="+home),
		chromedp.WSURLReadTimeout(runLimit),
		chromedp.NoSandbox, // which refuses to run as root
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// A name of somebody else's that points to this machine (DNS rebinding).
		chromedp.Flag("host-resolver-rules", "MAP "+rebound+" 127.0.0.1"),
	})
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, closePage := chromedp.NewContext(ctx)
	t.Cleanup(closePage)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return &browser{t, ctx}
}

// do lets the person do something, and shows the page if that cannot be done.
func (b *browser) do(what string, action chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageLimit)
	defer cancel()
	if err := chromedp.Do(ctx, action); err != nil {
		b.t.Fatalf("cannot %s: %v\n%s", what, err, b.page())
	}
}

// page returns what the page shows, for failures.
func (b *browser) page() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	page, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body?.innerText`))
	if err != nil {
		return "no page: " + err.Error()
	}
	return page
}

func (b *browser) opens(url string) {
	b.t.Helper()
	b.do("open "+url, chromedp.Navigate(url))
}

// types types text into a field, key by key.
func (b *browser) types(field, text string) {
	b.t.Helper()
	b.do("type into "+field, chromedp.SendKeys(chromedp.CSS(field), text, chromedp.NodeVisible))
}

func (b *browser) clicks(button string) {
	b.t.Helper()
	b.do("click "+button, chromedp.Click(chromedp.CSS(button), chromedp.NodeVisible))
}

// sees waits for the page with that heading. A page on its way out cannot be
// asked, so failures to ask do not count.
func (b *browser) sees(heading string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageLimit)
	defer cancel()
	for ctx.Err() == nil {
		seen, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.readyState === "complete" ? document.querySelector("h1")?.textContent ?? "" : ""`))
		if err == nil && strings.TrimSpace(seen) == heading {
			return
		}
		time.Sleep(pollEvery)
	}
	b.t.Fatalf("the browser does not come to a page %q\n%s", heading, b.page())
}

// signsIn fills in a sign-in page and sends it.
func (b *browser) signsIn(name, password string) {
	b.t.Helper()
	b.types("#username", name)
	b.types("#password", password)
	b.clicks("#allow")
}
