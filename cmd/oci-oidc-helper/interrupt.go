package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// interruptible returns a context that ends with ^C. It listens for that from the
// moment in which somebody asks for its end; before, ^C ends the process.
func interruptible() context.Context { return endedBy(os.Interrupt, syscall.SIGTERM) }

// endedBy returns a context that ends with one of the signals. It listens for them
// when it is first asked for anything, since that starts two threads, which is a good
// part of what a short command costs.
func endedBy(signals ...os.Signal) context.Context {
	return listening(sync.OnceValue(func() context.Context {
		ctx, _ := signal.NotifyContext(context.Background(), signals...)
		return ctx
	}))
}

// listening is a context that is made when it is first asked for anything.
type listening func() context.Context

func (c listening) Deadline() (time.Time, bool) { return c().Deadline() }
func (c listening) Done() <-chan struct{}       { return c().Done() }
func (c listening) Err() error                  { return c().Err() }
func (c listening) Value(key any) any           { return c().Value(key) }
