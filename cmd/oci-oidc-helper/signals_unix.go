//go:build unix

package main

import (
	"os"
	"syscall"
)

var (
	// groupSignals reach the helper because it shares OpenCode's process group. A
	// reader that has gone is noticed at the end of the input.
	groupSignals = []os.Signal{os.Interrupt, syscall.SIGHUP, syscall.SIGPIPE}
	endSignals   = []os.Signal{syscall.SIGTERM}
)
