package network

import (
	"errors"
	"io"
	"slices"
)

func isOne(err error, of []error) bool {
	return slices.ContainsFunc(of, func(one error) bool { return errors.Is(err, one) })
}

// PortTaken reports whether err means that another program already listens at the port.
func PortTaken(err error) bool { return isOne(err, errTaken) }

// isCut reports whether err means that the connection was closed or reset too early.
func isCut(err error) bool {
	return isOne(err, errCut) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
