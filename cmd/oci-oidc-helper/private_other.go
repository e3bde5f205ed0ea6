//go:build !linux

package main

// keepPrivate does nothing where there is no such call.
func keepPrivate() {}
