package logging

import "syscall"

// mknod makes a device, for which one must be root.
func mknod(path string, major, minor int) error {
	return syscall.Mknod(path, syscall.S_IFCHR|0o644, major<<8|minor)
}
