package main

import "golang.org/x/sys/unix"

// keepPrivate makes the memory and the environment of this process unreadable for the user's
// other processes, and disables core dumps (prctl(2), PR_SET_DUMPABLE).
func keepPrivate() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
