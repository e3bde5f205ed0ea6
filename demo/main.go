// Command demo shows the product at work: the real OpenCode signs in to a
// stand-in identity domain and gets its answers through the plugin and the helper
// of this working tree. make demo runs it, after it has built the helper and
// brought OpenCode:
//
//	go run ./demo          signs in both ways, lets a token expire, checks every answer
//	go run ./demo --tui    leaves the rest to you, in the OpenCode TUI
//
// It exits with 0 only if every answer came, and with a token that the endpoint
// verified. It reads nothing of the person's own OpenCode, reaches no network but
// this computer, prints no token, and removes the homes it makes, also when it is
// interrupted. What stays is build/demo, with the logs of the last run.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) == 3 && browsers[os.Args[1]] != nil {
		if err := browsers[os.Args[1]](os.Args[2]); err != nil {
			os.Exit(1)
		}
		return
	}
	tui := flag.Bool("tui", false, "open the OpenCode TUI, to try by hand")
	flag.Parse()

	// Whatever ends the demo, its homes go and its processes end. A reader that has
	// gone, as in make demo | head, would otherwise kill it on the spot.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	story := tell
	if *tui {
		story = tryByHand
	}
	say := newTranscript(os.Stdout)
	err := forgetLogs()
	if err == nil {
		err = story(ctx, say)
	}
	switch {
	case ctx.Err() != nil:
		say.failed("Interrupted. Everything that the demo started has ended.")
	case err != nil:
		say.failed(err.Error())
		say.showLogs()
	default:
		return
	}
	stop()
	os.Exit(1)
}
