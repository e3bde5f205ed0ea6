// Package doctor finds out in one run what is wrong between this machine, the
// identity domain and the endpoint, and says what to do about each trouble.
//
// A check is a small function that returns one finding; the list of them is
// [checks], in the order in which one builds on the other. What an earlier check
// learned is with the patient; a check without its ground is skipped and says so.
//
// It asks what can be asked without a person and uses nothing up. Like any request
// it refreshes a token that is over. No finding holds a secret.
package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
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

// A Report is one run.
type Report struct {
	Time     time.Time `json:"time"`
	Version  string    `json:"version"`
	Platform string    `json:"platform"`
	Findings []Finding `json:"findings"`
}

// Options say whom to examine.
type Options struct {
	Places    store.Places
	Directory string // of the project
	Version   string // of the helper
	Log       *slog.Logger
	Found     func(Finding) // called after each check; may be nil
}

// checkTimeout bounds one check.
const checkTimeout = 15 * time.Second

// A check examines one thing.
type check struct {
	group, name string
	run         func(context.Context, *patient) Finding
}

var checks = []check{
	{"Environment", "platform", checkPlatform},
	{"Environment", "directories", checkDirectories},
	{"Environment", "proxy variables", checkProxyVariables},
	{"Environment", "CA variables", checkCAVariables},
	{"Configuration", "file", checkConfiguration},
	{"Configuration", "secret", checkSecret},
	{"Configuration", "git", checkGit},
	{"Configuration", "certificates", checkCertificates},
	{"Disk", "tokens' directory", checkStateDir},
	{"Disk", "keyring", checkKeyring},
	{"Disk", "saved tokens", checkSavedTokens},
	{"Disk", "lock", checkLock},
	{"Disk", "log", checkLog},
	{"Domain", "way", checkWay},
	{"Domain", "discovery", checkDiscovery},
	{"Domain", "clocks", checkClocks},
	{"Domain", "application", checkApplication},
	{"Domain", "redirect and scope", checkAuthorization},
	{"Domain", "refresh", checkRefresh},
	{"Domain", "device code", checkDevice},
	{"Session", "redirect port", checkRedirectPort},
	{"Session", "sign-in", checkSession},
	{"Endpoint", "reachable", checkEndpoint},
	{"Endpoint", "token accepted", checkToken},
	{"OpenCode", "program", checkOpenCode},
	{"OpenCode", "plugin", checkPlugin},
	{"OpenCode", "next start", checkFirstStart},
	{"OpenCode", "models", checkModels},
}

// patient is whom the checks examine, and what they learned so far.
type patient struct {
	Options
	config *config.Config  // nil unless it is usable
	domain *domain.Domain  // nil without a configuration
	facts  *domain.Facts   // nil unless the domain answered
	known  bool            // the domain knows the application
	skew   time.Duration   // of the domain's clock, ahead of ours
	token  *oidc.Token     // nil unless there is a valid one
	files  []*openCodeFile // OpenCode's configurations
	reach  bool            // the domain was reached
	saved  tokens.Tokens   // as they are on the disk
}

// Run makes all checks.
func Run(ctx context.Context, o Options) Report {
	report := Report{Time: time.Now().UTC().Truncate(time.Second), Version: o.Version, Platform: runtime.GOOS + "-" + runtime.GOARCH}
	p := &patient{Options: o}
	for _, c := range checks {
		if ctx.Err() != nil {
			break
		}
		limited, cancel := context.WithTimeout(ctx, checkTimeout)
		finding := c.run(limited, p)
		cancel()
		finding.Group, finding.Check = c.group, c.name
		finding = finding.redacted()
		o.Log.Debug("checked", "check", c.group+", "+c.name, "state", finding.State, "finding", finding.Message)
		report.Findings = append(report.Findings, finding)
		if o.Found != nil {
			o.Found(finding)
		}
	}
	return report
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

// Problem returns what the run has to say as a whole: nil if nothing failed, else
// a problem of the first failure's kind.
func (r Report) Problem() *problem.Problem {
	failures := 0
	var first Finding
	for _, finding := range r.Findings {
		if finding.State != Failure {
			continue
		}
		if failures++; failures == 1 {
			first = finding
		}
	}
	switch failures {
	case 0:
		return nil
	case 1:
		return problem.New(first.Kind, "One check failed: "+first.Group+", "+first.Check+".", first.Hint)
	default:
		return problem.New(first.Kind, fmt.Sprintf("%d checks failed; begin with the first: %s, %s.", failures, first.Group, first.Check), first.Hint)
	}
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
