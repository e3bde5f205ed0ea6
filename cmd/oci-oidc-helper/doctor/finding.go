package doctor

import (
	"log/slog"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A State is how a check ended.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning" // works, but not as well as it could
	Failure State = "failure" // something does not work
	Skipped State = "skipped" // an earlier failure is in the way
)

// A Finding is what a check found.
type Finding struct {
	Group   string       `json:"group"`
	Check   string       `json:"check"`
	State   State        `json:"state"`
	Kind    problem.Kind `json:"kind,omitempty"` // of a failure
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"` // what to do next
	Details []string     `json:"details,omitempty"`
}

// Options say whom to examine.
type Options struct {
	Places    store.Places
	Directory string // of the project
	Version   string // of the helper
	Log       *slog.Logger
	Found     func(Finding) // called after each check; may be nil
}

// patient is whom the checks examine, and what they learned so far.
type patient struct {
	Options
	openCode int             // its major version; 0 if it is not known
	config   *config.Config  // nil unless it is usable
	domain   *domain.Domain  // nil without a configuration
	facts    *domain.Facts   // nil unless the domain answered
	known    bool            // the domain knows the application
	skew     time.Duration   // of the domain's clock, ahead of ours
	token    *oidc.Token     // nil unless there is a valid one
	files    []*openCodeFile // OpenCode's configurations
	reach    bool            // the domain was reached
	endpoint config.Endpoint // the one that is examined
	saved    tokens.Tokens   // as they are on the disk
}

// redacted is the finding without what has the shape of a secret, whatever a file
// or a server had to say.
func (f Finding) redacted() Finding {
	f.Message, f.Hint = logging.Redact(f.Message), logging.Redact(f.Hint)
	for i, detail := range f.Details {
		f.Details[i] = logging.Redact(detail)
	}
	return f
}

func ok(message string, details ...string) Finding {
	return Finding{State: OK, Message: message, Details: details}
}

func warn(message, hint string, details ...string) Finding {
	return Finding{State: Warning, Message: message, Hint: hint, Details: details}
}

func fail(kind problem.Kind, message, hint string, details ...string) Finding {
	return Finding{State: Failure, Kind: kind, Message: message, Hint: hint, Details: details}
}

func skip(why string) Finding { return Finding{State: Skipped, Message: why} }

// failWith is the failure that an error is; its cause goes to the log alone.
func failWith(p *patient, err error, details ...string) Finding {
	said := problem.From(err)
	p.Log.Info("a check failed", "problem", said)
	message, more, _ := strings.Cut(said.Message, "\n")
	if more != "" {
		details = append(strings.Split(more, "\n"), details...)
	}
	return fail(said.Kind, message, said.Hint, details...)
}

const (
	noConfiguration = "not checked without a usable configuration"
	nobodySignsIn   = "not needed with client_credentials, where nobody signs in"
	noDomain        = "not checked while the domain cannot be reached"
)
