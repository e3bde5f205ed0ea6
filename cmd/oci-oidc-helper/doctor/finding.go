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

// A State is the outcome of a check.
type State string

// The outcomes of a check.
const (
	OK      State = "ok"
	Warning State = "warning" // works, but not as well as it could
	Failure State = "failure" // something does not work
	Skipped State = "skipped" // not checked: a precondition is not met, or it does not apply
)

// A Finding is the result of a check.
type Finding struct {
	Group   string       `json:"group"`
	Check   string       `json:"check"`
	State   State        `json:"state"`
	Kind    problem.Kind `json:"kind,omitempty"` // only of a failure
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"` // what to do next
	Details []string     `json:"details,omitempty"`
}

// Options of a run.
type Options struct {
	Places    store.Places
	Directory string // the project directory
	Version   string // the helper's version
	Log       *slog.Logger
	Found     func(Finding) // called after each check; may be nil
}

// A system is what the checks examine, with what they have found out so far.
type system struct {
	Options
	openCode int             // OpenCode's major version; 0 if it is unknown
	answered bool            // the domain told its endpoints
	known    bool            // the domain knows the application
	skew     time.Duration   // how far the domain's clock is ahead of this machine's
	files    []*openCodeFile // OpenCode's configuration files
	reach    bool            // the domain was reached
	endpoint config.Endpoint // the endpoint of the current check

	*examination                // of the session of the current check
	sessions     []*examination // that of llm_base_url first, with the configuration as a whole
}

// An examination is what the checks have found out about one session.
type examination struct {
	config *config.Config // nil if there is no usable configuration
	domain *domain.Domain // nil without a configuration
	token  *oidc.Token    // nil without a valid token
	saved  tokens.Tokens  // the tokens on the disk
}

// redacted returns the finding without anything that looks like a secret: its texts may
// quote files and servers.
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

// failWith turns an error into a failure. The error's cause is only logged.
func failWith(sys *system, err error, details ...string) Finding {
	said := problem.From(err)
	sys.Log.Info("a check failed", "problem", said)
	message, more, _ := strings.Cut(said.Message, "\n")
	if more != "" {
		details = append(strings.Split(more, "\n"), details...)
	}
	return fail(said.Kind, message, said.Hint, details...)
}

// A need is a precondition of a check, and why the check is skipped without it.
type need func(*system) (met bool, why string)

var (
	aConfiguration need = func(sys *system) (bool, string) {
		return sys.config != nil, "not checked without a usable configuration"
	}
	aPerson need = func(sys *system) (bool, string) {
		return !sys.config.AuthMethod.Unattended(), "not needed with client_credentials, where nobody signs in"
	}
	aWay    need = func(sys *system) (bool, string) { return sys.reach, "not checked while the domain cannot be reached" }
	aDomain need = func(sys *system) (bool, string) {
		return sys.answered, "not checked while the domain cannot be reached"
	}
	aProof need = func(sys *system) (bool, string) {
		_, err := sys.config.Proof().Read()
		return err == nil, "not checked without the " + sys.config.Proof().Name()
	}
	anApplication need = func(sys *system) (bool, string) {
		return sys.known, "not checked, since the domain does not accept the application"
	}
	aToken need = func(sys *system) (bool, string) { return sys.token != nil, "not checked without a valid token" }
)

// unmet returns why a check with these needs is skipped, or "".
func (sys *system) unmet(needs ...need) string {
	for _, need := range needs {
		if met, why := need(sys); !met {
			return why
		}
	}
	return ""
}
