//go:build !linux && !darwin

package main

import "errors"

// keyByKey is not needed where a terminal's line is as long as what is typed.
func keyByKey(int) (restore func(), err error) { return nil, errors.ErrUnsupported }
