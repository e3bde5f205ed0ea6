//go:build unix

package signin

import (
	"syscall"
)

var (
	// noSuchAddress are the errors of listening on ::1 without IPv6.
	noSuchAddress = []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT}
	// notAllowed is the error of listening on a port that needs root, usually below 1024.
	notAllowed = []syscall.Errno{syscall.EACCES}
)
