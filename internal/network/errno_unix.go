//go:build unix

package network

import "syscall"

// What the system calls a connection that was refused, one that was cut, and a port that
// another program listens at.
var (
	errRefused = []error{syscall.ECONNREFUSED}
	errCut     = []error{syscall.ECONNRESET, syscall.EPIPE}
	errTaken   = []error{syscall.EADDRINUSE}
)
