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
	"runtime"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A Report is one run.
type Report struct {
	Time     time.Time `json:"time"`
	Version  string    `json:"version"`
	Platform string    `json:"platform"`
	Findings []Finding `json:"findings"`
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
	{endpointGroup, "reachable", checkEndpoint},
	{endpointGroup, "token accepted", checkToken},
	{"OpenCode", "program", checkOpenCode},
	{"OpenCode", "plugin", checkPlugin},
	{"OpenCode", "next start", checkFirstStart},
	{"OpenCode", "models", checkModels},
}

// Run makes all checks.
func Run(ctx context.Context, o Options) Report {
	report := Report{Time: time.Now().UTC().Truncate(time.Second), Version: o.Version, Platform: runtime.GOOS + "-" + runtime.GOARCH}
	p := &patient{Options: o}
	for _, c := range checks {
		for _, e := range p.endpointsOf(c) {
			if ctx.Err() != nil {
				return report
			}
			p.endpoint = e
			limited, cancel := context.WithTimeout(ctx, checkTimeout)
			finding := c.run(limited, p)
			cancel()
			finding.Group, finding.Check = c.group, strings.TrimSpace(e.ID+" "+c.name)
			finding = finding.redacted()
			o.Log.Debug("checked", "check", finding.Group+", "+finding.Check, "state", finding.State, "finding", finding.Message)
			report.Findings = append(report.Findings, finding)
			if o.Found != nil {
				o.Found(finding)
			}
		}
	}
	return report
}

// endpointsOf are the endpoints for which a check is made: all of them where it is about
// one, else none in particular.
func (p *patient) endpointsOf(c check) []config.Endpoint {
	if c.group != endpointGroup || p.config == nil {
		return []config.Endpoint{{}}
	}
	return p.config.Endpoints()
}

// endpointGroup are the checks that are made for each endpoint.
const endpointGroup = "Endpoint"

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
