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
		"Start it again; your session is unchanged.")
}

// exitCode returns the exit code that shells report for a command that a signal ended.
func (i interruption) exitCode() int {
	if number, ok := i.signal.(syscall.Signal); ok {
		return exitSignal + int(number)
	}
	return exitProblem
}

// endedBy returns a context that is cancelled by the given signals, with an [interruption]
// as its cause. From then on none of [caughtSignals] kills the process: a refresh token can
// be used only once, so a process that has sent one must live until it has saved the next
// one. Writing to a closed pipe is then an error of the write. Signals that were ignored at
// the start, for example by nohup, stay ignored.
//
// The signals are caught rather than ignored, because a browser would inherit ignored
// signals.
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

// patience is how long a command may continue after a signal before it explains why.
const patience = 500 * time.Millisecond

// sayWhyItGoesOn explains to a person who has pressed ^C why the command does not end.
func sayWhyItGoesOn(ctx context.Context, w io.Writer) {
	context.AfterFunc(ctx, func() {
		time.AfterFunc(patience, func() {
			fmt.Fprintln(w, "Waiting for the domain's answer: a refresh token works only once, and your session would be lost.")
		})
	})
}
