//go:build !linux

package store

// noKeyring says in a few words why there cannot be a keyring here, or is "".
func noKeyring() string { return "" }

// whyRefused says in a few words what a person can know of a fault.
func whyRefused(error) string { return "it refuses, or is locked" }
