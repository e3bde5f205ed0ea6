package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

var pictures = flag.String("pictures", "", "write the README's pictures into this directory")

const (
	pictureColumns, pictureRows = 100, 30
	// A recording shows each screen for so long, and the last one longer.
	shortLook, longLook = 1200 * time.Millisecond, 4 * time.Second
)

// TestPictures takes the pictures for the README, in the real TUI and the real
// browser: make pictures.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		return // no test, but drawn with what the tests have
	}
	domain := domaintest.New(t, domaintest.Options{})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.Environ = append(me.Environ, "COLORTERM=truecolor")
	root, err := opencode.Root()
	check(t, err)
	me.write(me.ConfigDir(), "tui.json", map[string]any{"plugin": []string{"file://" + filepath.Join(root, "npm-shim")}})
	tui := me.opensTUI(pictureColumns, pictureRows)
	tui.shows("OCI ! /connect")
	film := newFilm(t, tui)

	film.shoot()
	tui.types("/connect")
	tui.shows("Connect provider")
	film.shoot()
	tui.presses("Enter")
	tui.shows("Connect a provider")
	tui.types("OCI")
	film.shoot()
	tui.presses("Enter")
	tui.shows("Select auth method")
	film.shoot("connect.png")
	tui.presses("Enter")
	tui.shows("Waiting for")
	film.shoot()

	person := newBrowser(t)
	person.do("resize", chromedp.EmulateViewport(760, 520))
	person.opens(tui.opens())
	user := domaintest.DefaultUser
	person.signsIn(user.Name, domain.Options().Users[0].Password)
	person.sees("You are signed in")
	film.keep("signed-in.png", person.takes("body"))

	tui.shows("Favorite") // the list of models
	film.shoot()
	tui.presses("Enter")
	tui.showsNot("Favorite")
	tui.types("Hello, who am I?")
	film.shoot()
	tui.presses("Enter")
	tui.shows("your token is valid")
	film.shoot("answer.png")
	film.keep("session.gif", film.recording())
}

// A film is a recording of a TUI, drawn by xterm.js in a browser.
type film struct {
	t       *testing.T
	tui     *tui
	browser *browser
	frames  []image.Image
}

func newFilm(t *testing.T, tui *tui) *film {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(".")))
	t.Cleanup(server.Close)
	b := newBrowser(t)
	b.do("resize", chromedp.EmulateViewport(1000, 700))
	b.opens(server.URL + "/testdata/terminal.html")
	return &film{t: t, tui: tui, browser: b}
}

// shoot takes the screen as it is, and keeps it under the names.
func (f *film) shoot(names ...string) {
	f.t.Helper()
	f.tui.settles()
	screen := strings.ReplaceAll(strings.TrimSuffix(f.tui.tmux("", "capture-pane", "-p", "-e"), "\n"), "\n", "\r\n")
	text, err := json.Marshal(screen)
	if err != nil {
		f.t.Fatal(err)
	}
	f.browser.lists(fmt.Sprintf("show(%d, %d, %s)", pictureColumns, pictureRows, text))
	taken := f.browser.takes(".xterm-screen")
	frame, err := png.Decode(bytes.NewReader(taken))
	if err != nil {
		f.t.Fatal(err)
	}
	f.frames = append(f.frames, frame)
	for _, name := range names {
		f.keep(name, taken)
	}
}

// recording is the film as an animated GIF.
func (f *film) recording() []byte {
	f.t.Helper()
	var animation gif.GIF
	for i, frame := range f.frames {
		picture := image.NewPaletted(frame.Bounds(), palette(frame))
		draw.Draw(picture, picture.Bounds(), frame, frame.Bounds().Min, draw.Src)
		look := shortLook
		if i == len(f.frames)-1 {
			look = longLook
		}
		animation.Image = append(animation.Image, picture)
		animation.Delay = append(animation.Delay, int(look/(10*time.Millisecond)))
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, &animation); err != nil {
		f.t.Fatal(err)
	}
	return out.Bytes()
}

// palette is the colours that a picture has most of.
func palette(picture image.Image) color.Palette {
	often := map[color.RGBA]int{}
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			often[color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA)]++
		}
	}
	sorted := slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int { return cmp.Compare(often[b], often[a]) })
	var colours color.Palette
	for _, colour := range sorted[:min(len(sorted), 256)] {
		colours = append(colours, colour)
	}
	return colours
}

// takes takes a picture of a part of the page.
func (b *browser) takes(part string) []byte {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.Screenshot(chromedp.CSS(part)))
	if err != nil {
		b.t.Fatalf("%v\n%s", err, b.page())
	}
	return picture
}

func (f *film) keep(name string, picture []byte) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(*pictures, name), picture, 0o644); err != nil {
		f.t.Fatal(err)
	}
}
