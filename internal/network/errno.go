package network

import (
	"errors"
	"io"
	"slices"
)

func isOne(err error, of []error) bool {
	return slices.ContainsFunc(of, func(one error) bool { return errors.Is(err, one) })
}

// PortTaken reports whether err says that another program listens at a port.
func PortTaken(err error) bool { return isOne(err, errTaken) }

// isCut reports a connection that ended before its time.
func isCut(err error) bool {
	return isOne(err, errCut) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
