//go:build !windows

package regular

import "syscall"

// NonBlock keeps an open of what became a named pipe from waiting for its other end.
const NonBlock = syscall.O_NONBLOCK
