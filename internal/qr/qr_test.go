package qr

import (
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

func TestCameraReadsTheAddress(t *testing.T) {
	for _, c := range []struct {
		address, want string
		lines         int
	}{
		{"https://idcs-0123456789abcdef0123456789abcdef.identity.oraclecloud.com/ui/v1/device",
			"HTTPS://IDCS-0123456789ABCDEF0123456789ABCDEF.IDENTITY.ORACLECLOUD.COM/ui/v1/device", 19},
		{"http://127.0.0.1:41000/ui/v1/device?user_code=WDJB-MJHT", "HTTP://127.0.0.1:41000/ui/v1/device?user_code=WDJB-MJHT", 17},
		{"https://login.example.com", "HTTPS://LOGIN.EXAMPLE.COM", 15},
		{"https://maria@login.example.com/Ä", "https://maria@login.example.com/Ä", 17},
	} {
		lines := Lines(c.address)
		if len(lines) != c.lines {
			t.Errorf("%s: %d lines, want %d", c.address, len(lines), c.lines)
		}
		if got := scan(t, lines); got != c.want {
			t.Errorf("a camera reads %q, want %q", got, c.want)
		}
	}
	if lines := Lines("https://example.com/" + strings.Repeat("x", 3000)); lines != nil {
		t.Errorf("%d lines for what fits no code", len(lines))
	}
}

// scan reads the code as a camera would that looks at the terminal.
func scan(t *testing.T, lines []string) string {
	t.Helper()
	const size = 4 // pixels a module
	picture := image.NewGray(image.Rect(0, 0, size*len([]rune(lines[0])), 2*size*len(lines)))
	for y, line := range lines {
		for x, mark := range []rune(line) {
			fill(picture, x*size, 2*y*size, size, mark == '█' || mark == '▀')
			fill(picture, x*size, (2*y+1)*size, size, mark == '█' || mark == '▄')
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatalf("a camera reads nothing: %v\n%s", err, strings.Join(lines, "\n"))
	}
	return result.GetText()
}

func fill(picture *image.Gray, left, top, size int, bright bool) {
	if !bright {
		return
	}
	for y := range size {
		for x := range size {
			picture.SetGray(left+x, top+y, color.Gray{Y: 255})
		}
	}
}
