package main

import (
	"os"
	"syscall"
)

var (
	// groupSignals are what ^C in OpenCode's console sends to the helper, too.
	groupSignals = []os.Signal{os.Interrupt}
	endSignals   = []os.Signal{syscall.SIGTERM}
)
