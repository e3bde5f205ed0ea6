package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mdp/qrterminal/v3"
)

// countdown shows how long a sign-in goes on waiting, on one line of a terminal,
// until it is stopped.
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

// showQR draws the address for a phone's camera: white on black whatever the
// terminal's own colours are, because cameras want it so.
func showQR(w io.Writer, address string) {
	var code bytes.Buffer
	qrterminal.GenerateWithConfig(address, qrterminal.Config{
		Level: qrterminal.L, Writer: &code, HalfBlocks: true, QuietZone: 2,
		BlackChar: qrterminal.BLACK_BLACK, WhiteChar: qrterminal.WHITE_WHITE,
		BlackWhiteChar: qrterminal.BLACK_WHITE, WhiteBlackChar: qrterminal.WHITE_BLACK,
	})
	for line := range strings.Lines(code.String()) {
		fmt.Fprintf(w, "    \x1b[97;40m%s\x1b[0m\n", strings.TrimRight(line, "\n"))
	}
	fmt.Fprintln(w)
}
