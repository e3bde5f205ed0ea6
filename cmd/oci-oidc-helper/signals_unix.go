//go:build unix

package main

import (
	"os"
	"syscall"
)

var (
	caughtSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE}
	// endSignals end a command.
	endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
	// stdioEndSignals end --stdio. The other signals may be meant for OpenCode, whose process
	// group the helper shares. When OpenCode ends, the helper's input ends.
	stdioEndSignals = []os.Signal{syscall.SIGTERM}
)
