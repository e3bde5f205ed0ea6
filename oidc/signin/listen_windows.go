package signin

import (
	"syscall"
)

// Windows has its own numbers for sockets; those of package syscall that look
// like Unix's are Go's inventions.
var (
	// noSuchAddress are WSAEADDRNOTAVAIL and WSAEAFNOSUPPORT: listening on ::1
	// where there is no IPv6.
	noSuchAddress = []syscall.Errno{10049, 10047}
	// notAllowed is WSAEACCES: a port in a range that Windows keeps for itself.
	notAllowed = []syscall.Errno{10013}
)
