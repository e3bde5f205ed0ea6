//go:build unix

package network

import "syscall"

// What the system calls a connection that was refused, and one that was cut.
var (
	errRefused = []error{syscall.ECONNREFUSED}
	errCut     = []error{syscall.ECONNRESET, syscall.EPIPE}
)
