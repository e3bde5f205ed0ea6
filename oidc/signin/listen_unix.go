//go:build unix

package signin

import (
	"syscall"
)

var (
	// noSuchAddress are the errors of listening on ::1 where there is no IPv6.
	noSuchAddress = []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT}
	// notAllowed are those of a port that only an administrator may use.
	notAllowed = []syscall.Errno{syscall.EACCES}
)
