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
	// stdioEndSignals end --stdio. The others reach it because it shares OpenCode's process
	// group; when OpenCode has gone, its input ends.
	stdioEndSignals = []os.Signal{syscall.SIGTERM}
)
