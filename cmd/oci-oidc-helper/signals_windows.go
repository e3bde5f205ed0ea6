package main

import (
	"os"
	"syscall"
)

var (
	// caughtSignals: a console's window that is closed, and a log-off, are SIGTERM here.
	caughtSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}
	// endSignals end a command.
	endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}
	// stdioEndSignals end --stdio, which ^C in OpenCode's console reaches, too.
	stdioEndSignals = []os.Signal{syscall.SIGTERM}
)
