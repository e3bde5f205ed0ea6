package network

import "golang.org/x/sys/windows"

// What Windows calls a connection that was refused, one that was cut, and a port that
// another program listens at: its sockets have error numbers of their own, which package
// syscall's Unix names do not mean.
var (
	errRefused = []error{windows.WSAECONNREFUSED}
	errCut     = []error{windows.WSAECONNRESET, windows.WSAECONNABORTED}
	errTaken   = []error{windows.WSAEADDRINUSE}
)
