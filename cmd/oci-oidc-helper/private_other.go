//go:build !linux

package main

// keepPrivate does nothing: this system has no such call.
func keepPrivate() {}
