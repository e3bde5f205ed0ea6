//go:build unix

package network

import "syscall"

// The errors of a connection that was refused or reset, and of a port that is in use.
var (
	errRefused = []error{syscall.ECONNREFUSED}
	errCut     = []error{syscall.ECONNRESET, syscall.EPIPE}
	errTaken   = []error{syscall.EADDRINUSE}
)
