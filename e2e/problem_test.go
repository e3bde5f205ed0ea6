package e2e

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A trouble is what can go wrong with a request of somebody who is signed in, and
// whose token has just expired.
type trouble struct {
	name   string
	kind   problem.Kind
	make   func(me *computer, domain *domaintest.Server)
	says   string
	next   string
	passes bool // OpenCode is to try again
}

var troubles = []trouble{
	{"nobody is signed in", problem.LoginRequired, func(me *computer, _ *domaintest.Server) {
		for _, file := range me.tokenFiles() {
			_ = os.Remove(file)
		}
	}, "You are not signed in, or your session has ended.", "/connect", false},
	{"access is withdrawn", problem.LoginDenied, func(_ *computer, domain *domaintest.Server) {
		refuses(domain, "access_denied")
	}, "Could not refresh the session: it was refused (access_denied", "ask your administrator for access", false},
	{"the secret is another one", problem.Config, func(_ *computer, domain *domaintest.Server) {
		domain.Change(func(o *domaintest.Options) { o.Clients[0].Secret = "renewed" })
	}, "the domain does not accept the application", "Check client_id", false},
	{"a project has a configuration", problem.Untrusted, func(me *computer, _ *domaintest.Server) {
		*me = *me.inEmptyProject(me.t)
		me.write(me.Project, "oci-auth.config.jsonc", config{
			Domain: "https://idcs.example.com", Client: "c", Endpoint: "https://llm.example.com/v1", Method: "public_app",
			Redirect: "http://localhost:8888/callback", Scope: "openid", LogLevel: "VERBOSE",
		})
	}, "is not confirmed: it signs in at https://idcs.example.com", "If you trust both, confirm it", false},
	{"the connection is cut", problem.Network, func(_ *computer, domain *domaintest.Server) {
		domain.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Reset})
		domain.FailAlways(domaintest.Discovery, domaintest.Fault{Kind: domaintest.Reset})
	}, "cut the connection", "check the network", true},
	{"a proxy wants a password", problem.Network, func(_ *computer, domain *domaintest.Server) {
		domain.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.ProxyAuth})
	}, "wants a user name and password", "HTTPS_PROXY", false},
	{"the company's CA is not known", problem.TLS, func(me *computer, _ *domaintest.Server) {
		me.Environ = append(me.Environ, "SSL_CERT_FILE=")
	}, "was issued by an authority that this machine does not know: CN=Inspecting Company.", "name the file of its CA (PEM) as ca_file", false},
	{"too many requests", problem.Throttled, func(_ *computer, domain *domaintest.Server) {
		domain.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.Throttle})
	}, "the domain is asked too often just now", "Wait a moment", true},
	{"the domain has a fault", problem.Domain, func(_ *computer, domain *domaintest.Server) {
		domain.FailAlways(domaintest.Token, domaintest.Fault{Kind: domaintest.ServerError})
	}, "the domain has a fault of its own", "Wait a moment", true},
	{"the domain says no", problem.Domain, func(_ *computer, domain *domaintest.Server) {
		refuses(domain, "invalid_request")
	}, "Could not refresh the session: the domain refused (invalid_request", "Ask your administrator", false},
	{"tokens of a newer version", problem.Store, func(me *computer, _ *domaintest.Server) {
		for _, file := range me.tokenFiles() {
			check(me.t, store.Replace(file, []byte(`{"version": 99}`)))
		}
	}, "were written by a newer version", "Update opencode-oci-oidc", false},
	{"tokens whose keyring is not here", problem.Store, func(me *computer, _ *domaintest.Server) {
		if runtime.GOOS != "linux" {
			me.t.Skip("the keyring of this system is always here")
		}
		for _, file := range me.tokenFiles() {
			check(me.t, store.Replace(file, fmt.Appendf(nil, `{"version": 2, "key": "%.16s.00", "sealed": "AAAA"}`, filepath.Base(file))))
		}
	}, "The saved tokens are encrypted. The keyring of this system cannot be used", `"token_store": "file"`, false},
}

// refuses has the domain answer token requests with a standard error code.
func refuses(domain *domaintest.Server, code string) {
	domain.Change(func(o *domaintest.Options) {
		o.Tamper = func(operation domaintest.Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			if operation != domaintest.Token {
				honest(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, `{"error":%q}`, code)
		}
	})
}

// TestHowOpenCodeShowsEachProblem: its words are the same in OpenCode, at the
// prompt and in the log, and it is tried again if it may pass, and not otherwise.
func TestHowOpenCodeShowsEachProblem(t *testing.T) {
	t.Parallel()
	// How often a token is asked for without a retry, at most: when the plugin starts,
	// for the answer and for the title. With retries it is twice that and more.
	const once = 4
	person := newComputer(t, opencode.Latest)
	person.Environ = append(person.Environ, "DBUS_SESSION_BUS_ADDRESS=unix:path="+filepath.Join(person.Dir, "none"))
	person.serves()
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			options := domaintest.Options{AutoApprove: true}
			company := newCompany(t)
			if c.kind == problem.TLS {
				options.TLS = company.TLS()
			}
			domain := domaintest.New(t, options)
			me := person.inProject(t, confidential(t, domain))
			me.Environ = append(me.Environ, "SSL_CERT_FILE="+company.CAFile)
			me.signInAtThePrompt()
			me.expiresTokens()
			c.make(me, domain)

			asked := me.startsChat("oci-oidc")
			if c.passes {
				// OpenCode says nothing while it tries again; it would for a minute.
				asked.await("trying again", func() bool { return me.tries() > once })
				asked.end()
			} else {
				_ = asked.ends()
				me.isTold(asked, c.says, c.next)
				if tries := me.tries(); tries > once {
					t.Errorf("the token was asked for %d times\n%s", tries, asked.output())
				}
			}
			me.saysAtThePromptAndInTheLog(c.kind, c.says, c.next, "token")
		})
	}
}

// TestHowOpenCodeShowsABrokenHelper: there is no helper at the prompt then, and no log.
func TestHowOpenCodeShowsABrokenHelper(t *testing.T) {
	t.Parallel()
	me := newComputer(t, opencode.Latest)
	broken := filepath.Join(me.Dir, "broken-helper")
	check(t, os.WriteFile(broken, []byte("#!/bin/sh\nexit 3\n"), 0o700))
	me.Environ = append(me.Environ, "OCI_OIDC_HELPER="+broken)
	me.isTold(me.asks("--title", "greeting", "hi"), "ended unexpectedly", "install the plugin again")
}

// TestHowOpenCodeShowsEachFailedSignIn is the same for what only a sign-in can
// meet, which nobody but a person begins again.
func TestHowOpenCodeShowsEachFailedSignIn(t *testing.T) {
	t.Parallel()
	for _, c := range failures {
		t.Run(string(c.kind), func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true, ExpiresIn: 1})
			configured := confidential(t, domain)
			me := newConfiguredComputer(t, opencode.Latest, configured)
			me.signInAtThePrompt()
			c.make(t, domain, configured)
			me.start("auth", "login", "-p", "oci-oidc", "-m", c.label).says(c.says, c.next)
			if n := strings.Count(me.log(), `msg="sign-in failed"`); n != 1 {
				t.Errorf("%d sign-ins have failed, want the one", n)
			}
			me.saysAtThePromptAndInTheLog(c.kind, c.says, c.next, "connect", "--flow", c.flow)

			// Nothing else meets it: where a token is missing, nobody is asked to sign in. The
			// new one lives until it arrives.
			domain.Change(func(o *domaintest.Options) { o.ExpiresIn = 3600 })
			if output := me.atThePrompt("token"); strings.Contains(output, c.says) || !strings.Contains(output, c.then) {
				t.Errorf("oci-oidc-helper token: %s\nwant %q", output, c.then)
			}
		})
	}
}

var failures = []struct {
	kind        problem.Kind
	label, flow string
	make        func(*testing.T, *domaintest.Server, config)
	says, next  string
	then        string // what the next one is told who needs a token
}{
	{problem.LoginTimeout, withCode, "device", func(_ *testing.T, domain *domaintest.Server, _ config) {
		domain.Change(func(o *domaintest.Options) { o.DeviceLife = 1 })
		refuses(domain, "expired_token")
	}, "Could not sign in with a code: the code was not entered in time.", "Start again, and enter the new code.", "Could not refresh the session: the domain refused"},
	{problem.PortInUse, withBrowser, "browser", func(t *testing.T, _ *domaintest.Server, configured config) {
		redirect, err := url.Parse(configured.Redirect)
		check(t, err)
		other, err := net.Listen("tcp", "127.0.0.1:"+redirect.Port())
		check(t, err)
		t.Cleanup(func() { _ = other.Close() })
	}, "is used by another program.", "Stop that program, or register another redirect URL", "eyJ"},
}

// TestHowOpenCodeShowsACancelledRequest: a person who interrupts a request that waits
// for a token sees no error of ours, and nothing is tried again; the log tells why.
func TestHowOpenCodeShowsACancelledRequest(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.signInAtThePrompt()
	tui := me.opensTUI(120, 40)
	tui.types("hi")
	tui.settles()
	// The endpoint refuses the token, and another process seems to refresh it: for that, a
	// request may wait a minute.
	domain.RevokeAccessTokens()
	lock := strings.TrimSuffix(me.tokenFiles()[0], ".json") + ".lock"
	eventually(t, func() error {
		unlock, ok, err := store.TryLock(lock)
		if !ok {
			return fmt.Errorf("%s cannot be locked: %v", lock, err)
		}
		t.Cleanup(unlock)
		return nil
	})
	tui.presses("Enter")
	// One is for the title. The helper is asked only what to do about the refusals.
	tui.until("two requests that wait for another token", func(string) bool {
		return strings.Count(me.log(), "msg=request method=explain") >= 2
	})
	tui.until("a session that is interrupted", func(screen string) bool {
		// OpenCode wants a second Escape within five seconds, which is little on a busy machine.
		if strings.Contains(screen, "esc interrupt") || strings.Contains(screen, "esc again to interrupt") {
			tui.presses("Escape")
		}
		return strings.Contains(screen, "interrupted")
	})
	tries := me.tries()
	tui.settles()
	for _, word := range []string{"cancelled", "retrying", "Error"} {
		tui.showsNot(word)
	}
	if again := me.tries(); again != tries {
		t.Errorf("the token was asked for %d times more", again-tries)
	}
	eventually(t, func() error {
		if log := me.log(); !told(log, problem.Cancelled, "The call was cancelled.", "Start again.") {
			return fmt.Errorf("the log does not tell it\n%s", log)
		}
		return nil
	})
}

// TestEveryKindOfProblemIsTried: each kind that there is has been before OpenCode here,
// and docs/troubleshooting.md says of it what OpenCode does.
func TestEveryKindOfProblemIsTried(t *testing.T) {
	passes := map[problem.Kind]map[bool]bool{
		problem.Cancelled: {false: true}, // TestHowOpenCodeShowsACancelledRequest
		problem.Internal:  {false: true}, // TestHowOpenCodeShowsABrokenHelper
	}
	tried := func(kind problem.Kind, again bool) {
		if passes[kind] == nil {
			passes[kind] = map[bool]bool{}
		}
		passes[kind][again] = true
	}
	for _, c := range troubles {
		tried(c.kind, c.passes)
	}
	for _, c := range failures {
		tried(c.kind, false)
	}
	document, err := os.ReadFile("../docs/troubleshooting.md")
	check(t, err)
	_, table, _ := strings.Cut(string(document), "| kind of problem |")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []problem.Kind
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (.+) \\| (.+) \\| (.+) \\|$").FindAllStringSubmatch(table, -1) {
		kind, again := problem.Kind(row[1]), row[4]
		documented = append(documented, kind)
		want := passes[kind]
		if no := again == "no"; no == want[true] {
			t.Errorf("docs/troubleshooting.md: %s is tried again: %s; in OpenCode: %v", kind, again, want)
		}
		if yes := again == "yes"; yes && want[false] {
			t.Errorf("docs/troubleshooting.md: %s is tried again: %s; in OpenCode not always", kind, again)
		}
	}
	kinds := kindsOfProblem(t)
	if !slices.Equal(documented, kinds) {
		t.Errorf("docs/troubleshooting.md has %v, want %v", documented, kinds)
	}
	for _, kind := range kinds {
		if passes[kind] == nil {
			t.Errorf("%s was never before OpenCode", kind)
		}
	}
	if len(passes) != len(kinds) {
		t.Errorf("tried are %v, and there are %v", slices.Collect(maps.Keys(passes)), kinds)
	}
}

// kindsOfProblem reads them from the source, in its order.
func kindsOfProblem(t *testing.T) (kinds []problem.Kind) {
	t.Helper()
	source, err := os.ReadFile("../internal/problem/problem.go")
	check(t, err)
	for _, line := range regexp.MustCompile(`(?m)^\s+\w+\s+Kind = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		kinds = append(kinds, problem.Kind(line[1]))
	}
	return kinds
}

// saysAtThePromptAndInTheLog fails the test unless a command ends with these words, and
// the log has the same, with the kind beside them, at the level that it has by default.
func (c *computer) saysAtThePromptAndInTheLog(kind problem.Kind, says, next string, args ...string) {
	c.t.Helper()
	if !told(c.log(), kind, says, next) {
		c.t.Errorf("the log does not say %s, %q and %q\n%s", kind, says, next, c.log())
	}
	if output := c.atThePrompt(args...); !strings.Contains(output, says) || !strings.Contains(output, next) {
		c.t.Errorf("at the prompt: %s\nwant %q and %q", output, says, next)
	}
}

// told reports whether a line of the log that is there by default has the kind and the
// words.
func told(log string, kind problem.Kind, words ...string) bool {
	for line := range strings.Lines(log) {
		if !regexp.MustCompile(`level=(INFO|WARN|ERROR)`).MatchString(line) || !strings.Contains(line, "problem.kind="+string(kind)) {
			continue
		}
		unquoted := strings.ReplaceAll(line, `\"`, `"`)
		if !slices.ContainsFunc(words, func(text string) bool { return !strings.Contains(unquoted, text) }) {
			return true
		}
	}
	return false
}

// retriedNumber is what OpenCode 1.18 takes for a status that may pass, wherever it stands.
var retriedNumber = regexp.MustCompile(`429|50[0234]|524`)

// isTold fails the test unless OpenCode has shown the words of a problem, or its fixed
// sentence where these words hold a number that OpenCode takes for a passing status.
func (c *computer) isTold(r *run, says string, more ...string) {
	c.t.Helper()
	_ = r.ends()
	if !c.hidesNumber(r, says) {
		r.says(append(more, says)...)
	}
}

// hidesNumber reports whether OpenCode was shown the fixed sentence of a problem, because
// its own words came with such a number by chance: in a port, an ECID or the name of a token file.
func (c *computer) hidesNumber(r *run, words string) bool {
	if !strings.Contains(plain(r.all.String()), `The details are in "oci-oidc-helper status"`) {
		return false
	}
	for line := range strings.Lines(c.log()) {
		if strings.Contains(line, words) && retriedNumber.MatchString(line) {
			return true
		}
	}
	return false
}

// signInAtThePrompt signs in with the helper alone, in a browser that approves.
func (c *computer) signInAtThePrompt() {
	c.t.Helper()
	if output := c.connects(); !strings.Contains(output, "Signed in") {
		c.t.Fatalf("oci-oidc-helper connect: %s", output)
	}
}

// connects runs oci-oidc-helper connect with such a browser and returns all that it says.
func (c *computer) connects(args ...string) string {
	c.t.Helper()
	browser := filepath.Join(c.Dir, "approving-browser")
	check(c.t, os.WriteFile(browser, []byte("#!/bin/sh\nexec curl -sSL -c /dev/null -o /dev/null \"$1\"\n"), 0o700))
	before := c.Environ
	defer func() { c.Environ = before }()
	c.Environ = append(before, "BROWSER="+browser)
	return c.atThePrompt(append([]string{"connect"}, args...)...)
}

// atThePrompt runs a command of the helper and returns all that it says.
func (c *computer) atThePrompt(args ...string) string {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), c.helper, args...)
	command.Env, command.Dir = c.Environ, c.Project
	output, _ := command.CombinedOutput()
	return string(output)
}

// tries counts how often OpenCode's plugin has asked for a token.
func (c *computer) tries() (n int) {
	log, _ := os.ReadFile(c.logFile())
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "msg=request method=getToken") {
			n++
		}
	}
	return n
}
