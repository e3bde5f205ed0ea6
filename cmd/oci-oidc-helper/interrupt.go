package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// An interruption is the signal that ended a command. Its error is a problem of kind
// Cancelled.
type interruption struct{ signal os.Signal }

func (i interruption) Error() string { return "stopped by a signal: " + i.signal.String() }

func (i interruption) Unwrap() error {
	return problem.New(problem.Cancelled, fmt.Sprintf("The command was stopped by a signal (%s).", i.signal),
		"Start it again; you are as signed in as before.")
}

// exitCode is what a shell makes of a command that a signal ended.
func (i interruption) exitCode() int {
	if number, ok := i.signal.(syscall.Signal); ok {
		return exitSignal + int(number)
	}
	return exitTrouble
}

// endedBy returns a context that one of the signals ends; its cause is an
// [interruption]. From now on none of [caughtSignals] kills the process: a refresh token
// works only once, so a process that has sent one must live until its successor is
// saved. A closed pipe is an error of the write, then, instead of a death. What was
// ignored from the start, as nohup does it, stays ignored.
//
// Signals are caught and not ignored, because a browser would inherit the latter.
func endedBy(ends ...os.Signal) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	caught := slices.DeleteFunc(slices.Clone(caughtSignals), signal.Ignored)
	came := make(chan os.Signal, 1)
	signal.Notify(came, caught...)
	go func() {
		for s := range came {
			if slices.Contains(ends, s) {
				cancel(interruption{s})
			}
		}
	}()
	return ctx
}

// patience is how long a command may go on after a signal before it says why.
const patience = 500 * time.Millisecond

// sayWhyItGoesOn tells a person who has pressed ^C why nothing seems to happen.
func sayWhyItGoesOn(ctx context.Context, w io.Writer) {
	context.AfterFunc(ctx, func() {
		time.AfterFunc(patience, func() {
			fmt.Fprintln(w, "Waiting for the domain's answer: a refresh token works only once, and your session would be lost.")
		})
	})
}
