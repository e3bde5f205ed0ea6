// Package problem has the error type for people: a kind for programs, a sentence that says what
// is wrong, and a hint that says what to do next.
//
// Every package returns a [Problem] for errors with an external cause. Any other Go error is a
// bug: [From] turns it into a problem of kind [Internal] with a fixed text. The cause is
// available through errors.Is and errors.As and is logged, but never shown to a person.
package problem

import (
	"context"
	"errors"
	"log/slog"
)

// A Kind tells programs what sort of problem it is. The values are sent to the shim.
type Kind string

// The kinds. LoginRequired, LoginDenied and LoginTimeout need a sign-in, Config and PortInUse a
// change by the person, and Untrusted a confirmation. The others may be temporary.
const (
	LoginRequired Kind = "login_required" // no session, or the domain ended it
	LoginDenied   Kind = "login_denied"   // the person or the domain refused the sign-in
	LoginTimeout  Kind = "login_timeout"  // nobody finished the sign-in in time
	Config        Kind = "config"         // the configuration is missing or wrong
	Untrusted     Kind = "untrusted"      // a project's configuration that the person has not confirmed
	Network       Kind = "network"        // the domain could not be reached
	TLS           Kind = "tls"            // the domain's certificate was not accepted
	Throttled     Kind = "throttled"      // the domain answered 429
	Domain        Kind = "domain"         // the domain refused, or its answer cannot be understood
	PortInUse     Kind = "port_in_use"    // the port of the redirect URI is in use
	Store         Kind = "store"          // a file could not be read or written
	Cancelled     Kind = "cancelled"      // the caller cancelled, or a newer sign-in has begun
	Internal      Kind = "internal"       // a bug of this program
)

// A Problem is an error that is shown to a person.
type Problem struct {
	Kind      Kind
	Message   string // one sentence: what is wrong, and where
	Hint      string // one sentence: what to do next
	Retryable bool   // the same call may succeed later without any change
	Cause     error  // for the log; may be nil
}

// Error returns the message and the hint. It leaves out the cause, which may contain secrets or
// be unintelligible.
func (p *Problem) Error() string {
	if p.Hint == "" {
		return p.Message
	}
	return p.Message + "\n" + p.Hint
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// LogValue returns a group with the fields and the cause.
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

// New returns a problem that is not retryable.
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

// From returns the problem in err's chain, or else a new one with the cause err: of kind
// [Cancelled] for a cancelled context, otherwise of kind [Internal]. From(nil) returns nil.
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
