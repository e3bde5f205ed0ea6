// Package problem holds the one error that a person reads: a kind for programs,
// a sentence that says what is wrong, and a hint that says what to do next.
//
// Every room returns problems for what can go wrong outside of it; a Go error
// that is not a problem is a defect, and [From] turns it into one of kind
// [Internal] whose text gives nothing away. The cause stays reachable through
// errors.Is and errors.As and goes to the log, never to a person.
package problem

import (
	"context"
	"errors"
	"log/slog"
)

// A Kind tells programs what sort of trouble it is. The values go over the wire.
type Kind string

// The kinds. Only LoginRequired and LoginDenied and LoginTimeout ask for a
// sign-in; Config and PortInUse ask for a change by hand, Untrusted for a
// confirmation; the rest may pass.
const (
	LoginRequired Kind = "login_required" // no session, or the domain ended it
	LoginDenied   Kind = "login_denied"   // the person or the domain refused the sign-in
	LoginTimeout  Kind = "login_timeout"  // nobody finished the sign-in in time
	Config        Kind = "config"         // the configuration is missing or wrong
	Untrusted     Kind = "untrusted"      // a project's configuration that the person has not confirmed
	Network       Kind = "network"        // the domain could not be reached
	TLS           Kind = "tls"            // the domain's certificate was not accepted
	Throttled     Kind = "throttled"      // the domain answered 429
	Domain        Kind = "domain"         // the domain said no, or answered what cannot be understood
	PortInUse     Kind = "port_in_use"    // the redirect's port is taken
	Store         Kind = "store"          // a file could not be read or written
	Cancelled     Kind = "cancelled"      // the caller gave up, or a newer sign-in took over
	Internal      Kind = "internal"       // a defect of this program
)

// A Problem is an error as a person is told it.
type Problem struct {
	Kind      Kind
	Message   string // one sentence: what is wrong, and where
	Hint      string // one sentence: what to do next
	Retryable bool   // the same call may succeed later with nothing changed
	Cause     error  // for the log; may be nil
}

// Error returns the message and the hint. The cause is left out on purpose.
func (p *Problem) Error() string {
	if p.Hint == "" {
		return p.Message
	}
	return p.Message + "\n" + p.Hint
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// LogValue shows the problem as a group: what a person reads, and its cause.
func (p *Problem) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", string(p.Kind)), slog.String("message", p.Message)}
	if p.Hint != "" {
		attrs = append(attrs, slog.String("hint", p.Hint))
	}
	if p.Cause != nil {
		attrs = append(attrs, slog.String("cause", p.Cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// New returns a problem that does not pass by itself.
func New(kind Kind, message, hint string) *Problem {
	return &Problem{Kind: kind, Message: message, Hint: hint}
}

// Because sets the cause and returns p.
func (p *Problem) Because(cause error) *Problem {
	p.Cause = cause
	return p
}

// Passing marks p as retryable and returns it.
func (p *Problem) Passing() *Problem {
	p.Retryable = true
	return p
}

// From returns the problem in err's chain, or one made from it: a cancelled
// context becomes [Cancelled], anything else [Internal]. From(nil) is nil.
func From(err error) *Problem {
	var p *Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	case errors.Is(err, context.Canceled):
		return New(Cancelled, "The call was cancelled.", "Start again.").Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		return New(Network, "The time for the call ran out.", "Try again.").Passing().Because(err)
	default:
		return New(Internal, "Something went wrong inside oci-oidc-helper.",
			"The log has the details; please report it.").Because(err)
	}
}

// Is reports whether err is a problem of the given kind.
func Is(err error, kind Kind) bool {
	var p *Problem
	return errors.As(err, &p) && p.Kind == kind
}
