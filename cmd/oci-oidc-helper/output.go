package main

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// An output is standard output that remembers its first error, so that a command fails if
// its result could not be written.
type output struct {
	io.Writer
	err  error
	help bool // a reader such as head may stop before its end
}

func (o *output) Write(text []byte) (int, error) {
	n, err := o.Writer.Write(text)
	if o.help && closedPipe(err) {
		return len(text), nil
	}
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// problem returns the problem of the first failed write, or nil.
func (o *output) problem() *problem.Problem {
	if o.err == nil {
		return nil
	}
	why := o.err
	if path := (*os.PathError)(nil); errors.As(why, &path) {
		why = path.Err
	}
	return problem.New(problem.Store, "The output could not be written: "+why.Error()+".",
		"Give it a place that has room, and a reader that waits for it.").Because(o.err)
}

// closedPipe reports whether the reader has closed the pipe, perhaps because it has read
// enough.
func closedPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
