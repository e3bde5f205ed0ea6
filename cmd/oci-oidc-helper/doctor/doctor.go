// Package doctor checks everything between this machine, the identity domain and the
// endpoint in one run, and says what to do about each problem.
//
// A check is a function that returns one [Finding]. They run in the order of [checks] and
// pass on what they have found out in a [system]. A check whose precondition failed is
// skipped and says so.
//
// The checks need no person and change nothing, except that an expired access token is
// refreshed, as for any request. No finding holds a secret.
package doctor

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A Report is the result of one run.
type Report struct {
	Time     time.Time `json:"time"`
	Version  string    `json:"version"`
	Platform string    `json:"platform"`
	Findings []Finding `json:"findings"`
}

// checkTimeout limits each check.
const checkTimeout = 15 * time.Second

type check struct {
	group, name string
	run         func(context.Context, *system) Finding
	needs       []need
}

var checks = []check{
	{"Environment", "platform", checkPlatform, nil},
	{"Environment", "directories", checkDirectories, nil},
	{"Environment", "proxy variables", checkProxyVariables, nil},
	{"Environment", "CA variables", checkCAVariables, nil},
	{"Configuration", "file", checkConfiguration, nil},
	{"Configuration", "secret", checkSecret, []need{aConfiguration}},
	{"Configuration", "git", checkGit, []need{aConfiguration}},
	{"Configuration", "certificates", checkCertificates, []need{aConfiguration}},
	{"Disk", "tokens' directory", checkStateDir, nil},
	{"Disk", "keyring", checkKeyring, []need{aConfiguration}},
	{"Disk", "saved tokens", checkSavedTokens, []need{aConfiguration}},
	{"Disk", "lock", checkLock, []need{aConfiguration}},
	{"Disk", "log", checkLog, nil},
	{"Domain", "way", checkConnection, []need{aConfiguration}},
	{"Domain", "discovery", checkDiscovery, []need{aConfiguration, aWay}},
	{"Domain", "clocks", checkClocks, []need{aDomain}},
	{"Domain", "application", checkApplication, []need{aDomain, aProof}},
	{"Domain", "redirect and scope", checkAuthorization, []need{aDomain, aPerson, aProof}},
	{"Domain", "refresh", checkRefresh, []need{aConfiguration}},
	{"Domain", "device code", checkDevice, []need{aDomain, aPerson, anApplication}},
	{"Session", "redirect port", checkRedirectPort, []need{aConfiguration, aPerson}},
	{"Session", "sign-in", checkSession, []need{aConfiguration}},
	{endpointGroup, "reachable", checkEndpoint, []need{aConfiguration}},
	{endpointGroup, "token accepted", checkToken, []need{aConfiguration, aToken}},
	{"OpenCode", "program", checkOpenCode, nil},
	{"OpenCode", "plugin", checkPlugin, nil},
	{"OpenCode", "next start", checkFirstStart, nil},
	{"OpenCode", "models", checkModels, nil},
}

// eachSession are the checks that run once for each session, if there are several.
var eachSession = []string{"saved tokens", "redirect and scope", "refresh", "sign-in"}

// Run runs all checks.
func Run(ctx context.Context, o Options) Report {
	report := Report{Time: time.Now().UTC().Truncate(time.Second), Version: o.Version, Platform: runtime.GOOS + "-" + runtime.GOARCH}
	sys := &system{Options: o, sessions: []*examination{{}}}
	for _, c := range checks {
		for _, e := range sys.endpointsOf(c) {
			if ctx.Err() != nil {
				return report
			}
			sys.endpoint, sys.examination = e, sys.sessionOf(e)
			finding := c.find(ctx, sys)
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

// find runs a check, unless one of its needs is not met.
func (c check) find(ctx context.Context, sys *system) Finding {
	if why := sys.unmet(c.needs...); why != "" {
		return skip(why)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return c.run(ctx, sys)
}

// endpointsOf returns the endpoints to run a check for: all of them for a check of
// endpointGroup, the first one of each session for a check of eachSession, otherwise that
// of llm_base_url.
func (sys *system) endpointsOf(c check) (all []config.Endpoint) {
	whole := sys.sessions[0].config
	switch {
	case whole == nil:
		return []config.Endpoint{{}}
	case c.group == endpointGroup:
		return whole.Endpoints()
	}
	for i, session := range sys.sessions {
		if i == 0 || slices.Contains(eachSession, c.name) {
			all = append(all, session.config.Endpoints()[0])
		}
	}
	return all
}

// sessionOf returns the session whose token goes to an endpoint.
func (sys *system) sessionOf(e config.Endpoint) *examination {
	for _, session := range sys.sessions[1:] {
		if _, ok := session.config.Endpoint(e.Provider()); ok {
			return session
		}
	}
	return sys.sessions[0]
}

// endpointGroup is the group of the checks that run once for each endpoint.
const endpointGroup = "Endpoint"

// Problem returns a problem of the first failure's kind, or nil if nothing failed.
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
