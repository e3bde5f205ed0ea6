package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestHost2LacksAPart: a host that does not have what the plugin uses gets everything else, and
// the log says once what it lacks. Without what carries the token the plugin does nothing: the
// early core of version 2 in OpenCode 1.18 calls setup in addition to version 1.
func TestHost2LacksAPart(t *testing.T) {
	t.Parallel()
	withHost2(t, func(t *testing.T, _ *domaintest.Server, me *host2) {
		me.signsIn(me.Project)
		for _, row := range []struct{ without, logged string }{
			{"session", ""},
			{"provider", ""},
			{"integration", "ctx.integration.transform"},
			{"integration.connection", ""}, // has no marks
			{"permission.hook", "ctx.permission.hook.evaluate"},
			{"rpc", "ctx.rpc.register"},
			{"shell.hook", "ctx.shell.hook.create.before"},
			{"tool", "ctx.tool.hook.execute.after"},
			{"tool.transform", "ctx.tool.transform"},
			{"event", "ctx.event.subscribe"},
		} {
			directory := filepath.Join(me.Dir, "without-"+row.without)
			if plugin, message := me.loadsIn(directory, args{"without": []string{row.without}}); plugin != "active" {
				t.Errorf("without %s the plugin is %s: %s", row.without, plugin, message)
				continue
			}
			works := row.without != "session" && row.without != "provider"
			if works {
				me.answers(args{"directory": directory}, greeting)
			}
			if works {
				me.hasHelpers(2)
			} else {
				me.hasHelpers(1)
			}
			me.does("unload", args{"directory": directory}, nil)
			if row.logged != "" {
				eventually(t, func() error {
					if logged := regexp.MustCompile(`OpenCode lacks something that the plugin uses" what="?` + row.logged); !logged.MatchString(me.log()) {
						return fmt.Errorf("without %s the log does not say so:\n%.2000s", row.without, me.log())
					}
					return nil
				})
			}
		}

		// Editors that can do nothing do not keep the host from reading its lists.
		directory := filepath.Join(me.Dir, "strange")
		if plugin, message := me.loadsIn(directory, args{"strange": true}); plugin != "active" {
			t.Fatalf("with strange editors the plugin is %s: %s", plugin, message)
		}
		for range 3 {
			me.does("providers", args{"directory": directory}, nil)
			me.does("integrations", args{"directory": directory}, nil)
			me.does("offered", args{"directory": directory}, nil)
		}
		eventually(t, func() error {
			for _, part := range []string{"provider", "integration", "tool"} {
				if got := strings.Count(me.log(), "what=\"ctx."+part+".transform: editor."); got != 1 {
					return fmt.Errorf("the log names %s %d times, want once:\n%.2000s", part, got, me.log())
				}
			}
			return nil
		})
	})
}

// TestHost2CallsAfterTheEnd: hooks and a sign-in that outlive the plugin are answered at once, in
// words, deny, and start no helper.
func TestHost2CallsAfterTheEnd(t *testing.T) {
	t.Parallel()
	withHost2(t, func(t *testing.T, domain *domaintest.Server, me *host2) {
		me.signsIn(me.Project)
		me.answers(nil, greeting)
		open := me.begins("device")
		me.does("unload", args{"errs": true}, nil)
		const closed = "has closed this project"
		if status, message := open.ends(); status != "failed" || !strings.Contains(message, closed) {
			t.Errorf("a sign-in that was open is %s: %s", status, message)
		}
		if o := me.asks(nil); !strings.Contains(o.Error, closed) || o.Attempts != 1 || o.Defect {
			t.Errorf("a request gets %+v", o)
		}
		if got := me.calls(call{"read", args{"filePath": "HOME/project"}}); !strings.Contains(got, closed) {
			t.Errorf("a tool says %s", got)
		}
		if status, message := me.begins("browser").ends(); status != "failed" || !strings.Contains(message, closed) {
			t.Errorf("a sign-in is %s: %s", status, message)
		}
		me.hasHelpers(0)
		if got := domain.Count(domaintest.Chat); got != 1 {
			t.Errorf("the endpoint has had %d requests, want 1", got)
		}
	})
}

// TestHost2LosesTheHelper in the middle of a sign-in: the person is told, and the next one
// succeeds.
func TestHost2LosesTheHelper(t *testing.T) {
	t.Parallel()
	withHost2(t, func(t *testing.T, _ *domaintest.Server, me *host2) {
		// After each loss the plugin waits a little longer before it starts another.
		begins := func(method string) (a *attempt2) {
			t.Helper()
			eventually(t, func() error {
				if a = me.begins(method); a.URL == "" {
					_, message := a.ends()
					return errors.New(message)
				}
				return nil
			})
			return a
		}
		for _, method := range []string{"browser", "device", "paste"} {
			open := begins(method)
			for _, p := range processes() {
				if me.runs(p) && strings.Contains(p.arguments, "--stdio") {
					id, err := strconv.Atoi(p.id)
					check(t, err)
					helper, err := os.FindProcess(id)
					check(t, err)
					check(t, helper.Kill())
				}
			}
			if open.Mode == "code" {
				me.does("complete", args{"attempt": open.ID, "code": "http://127.0.0.1/?code=x"}, nil)
			}
			if status, message := open.ends(); status != "failed" || !strings.Contains(message, "oci-oidc-helper ended unexpectedly") && !strings.Contains(message, "No sign-in is waiting") {
				t.Errorf("%s: without the helper the sign-in is %s: %s", method, status, message)
			}
		}
		again := begins("browser")
		approves(t, again.URL)
		again.succeeds()
		me.answers(nil, greeting)
	})
}

// TestHost2ASignInAtATime: in one location the second ends the first, in words, and it alone
// succeeds. In two locations with one session it is the same sign-in, which ends for both.
func TestHost2ASignInAtATime(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{})
		me := newHost2(t, name, confidential(t, domain))
		for _, method := range []string{"browser", "device", "paste"} {
			first, second := me.begins(method), me.begins(method)
			if first.Mode == "code" { // its address is pasted into the dialog of a sign-in that is over
				redirect, err := domain.Allow(t.Context(), first.URL)
				check(t, err)
				me.does("complete", args{"attempt": first.ID, "code": redirect}, nil)
			}
			if status, message := first.ends(); status != "failed" || !strings.Contains(message, "Another sign-in was started") && !strings.Contains(message, "not the answer to this sign-in") {
				t.Errorf("%s: the first of two is %s: %s", method, status, message)
			}
			second.is(domain, "allowed")
			second.succeeds()
		}

		other := filepath.Join(me.Dir, "other")
		check(t, os.Mkdir(other, 0o700))
		me.loads(other, nil)
		here, there := me.begins("device"), me.beginsIn(other, "device", nil)
		there.is(domain, "allowed")
		there.succeeds()
		here.succeeds()
		me.answers(nil, greeting)
		me.answers(args{"directory": other}, greeting)
	})
}

// TestHost2SwitchesAccountsDuringARequest: the answer that is on its way arrives; whoever
// removes the last account is signed out for the next one.
func TestHost2SwitchesAccountsDuringARequest(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		arrived, proceed := make(chan struct{}), make(chan struct{})
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Tamper: func(op domaintest.Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			if op == domaintest.Chat && r.Header.Get("X-Opencode-Session-Id") == "ses_held" {
				arrived <- struct{}{}
				<-proceed
			}
			honest(w, r)
		}})
		me := newHost2(t, name, confidential(t, domain))
		me.signsIn(me.Project)
		me.signsIn(me.Project)
		during := func(do func()) (o outcome) {
			t.Helper()
			answered := make(chan error, 1)
			go func() {
				answered <- me.tries("ask", args{"directory": me.Project, "providerID": "oci-oidc", "sessionID": "ses_held"}, &o)
			}()
			<-arrived
			do()
			proceed <- struct{}{}
			check(t, <-answered)
			return o
		}
		if o := during(func() { me.does("activate", args{"credential": me.connections(me.Project)[1].ID}, nil) }); o.Text != greeting {
			t.Errorf("while another account becomes active: %+v", o)
		}
		if o := during(func() {
			for _, account := range me.connections(me.Project) {
				me.does("remove", args{"credential": account.ID}, nil)
			}
		}); o.Text != greeting && !strings.Contains(o.Error, "not signed in") || o.Defect {
			t.Errorf("while the last account is removed: %+v", o)
		}
		eventually(t, func() error {
			if o := me.asks(nil); !strings.Contains(o.Error, "not signed in") || o.Defect {
				return fmt.Errorf("after that: %+v", o)
			}
			return nil
		})
	})
}

// TestHost2HasNoHelper: OpenCode's log says why the plugin does not work, and what to do.
func TestHost2HasNoHelper(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		me := startHost2(t, name, "OCI_OIDC_HELPER=/nowhere/helper")
		if plugin, message := me.loadsIn(me.Project, nil); plugin != "failed" || !strings.Contains(message, "/nowhere/helper does not exist") || !strings.Contains(message, "Correct OCI_OIDC_HELPER") {
			t.Errorf("the plugin is %s: %s", plugin, message)
		}
	})
}
