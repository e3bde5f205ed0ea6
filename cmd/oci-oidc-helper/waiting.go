package main

import (
	"fmt"
	"io"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/qr"
)

// countdown shows the remaining time of a sign-in on one line of a terminal until stop is
// called.
func countdown(w io.Writer, until time.Time) (stop func()) {
	const clear = "\r\x1b[K"
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for frame := 0; ; frame++ {
			left := max(0, time.Until(until).Round(time.Second))
			fmt.Fprintf(w, "%s%c Waiting for you, %d:%02d left.", clear, []rune("◐◓◑◒")[frame%4], left/time.Minute, left%time.Minute/time.Second)
			select {
			case <-done:
				fmt.Fprint(w, clear)
				return
			case <-second.C:
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// showQR draws the address as a QR code. It sets the colours itself, because many cameras
// cannot read a code in a terminal's own colours.
func showQR(w io.Writer, address string) {
	for _, line := range qr.Lines(address) {
		fmt.Fprintf(w, "    \x1b[97;40m%s\x1b[0m\n", line)
	}
	fmt.Fprintln(w)
}
