package network

import "golang.org/x/sys/windows"

// The errors of a connection that was refused or reset, and of a port that is in use. Sockets
// on Windows have their own error numbers, different from package syscall's constants such as
// ECONNREFUSED.
var (
	errRefused = []error{windows.WSAECONNREFUSED}
	errCut     = []error{windows.WSAECONNRESET, windows.WSAECONNABORTED}
	errTaken   = []error{windows.WSAEADDRINUSE}
)
