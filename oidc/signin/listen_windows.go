package signin

import (
	"syscall"
)

// Sockets on Windows return the WSA… error numbers. Constants such as syscall.EACCES are
// made up by Go there and never returned.
var (
	// noSuchAddress are WSAEADDRNOTAVAIL and WSAEAFNOSUPPORT, the errors of listening on
	// ::1 without IPv6.
	noSuchAddress = []syscall.Errno{10049, 10047}
	// notAllowed is WSAEACCES, the error of listening on a port that Windows has reserved.
	notAllowed = []syscall.Errno{10013}
)
