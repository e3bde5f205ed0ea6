package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestHost2SignsInWithABrowser(t *testing.T) {
	t.Parallel()
	withHost2(t, func(t *testing.T, _ *domaintest.Server, me *host2) {
		if models := me.models(me.Project); len(models) != 0 {
			t.Errorf("before the sign-in there are models: %q", models)
		}
		me.signsIn(me.Project)
		if models := me.models(me.Project); len(models) != 1 || models[0] != "oci-oidc/"+domaintest.DefaultModel {
			t.Errorf("after the sign-in, without a restart, the models are %q", models)
		}
		me.answers(nil, greeting)
		if opened := me.opened(); opened != "" {
			t.Errorf("the helper has opened %s: OpenCode 2 does so itself, or the person is elsewhere", opened)
		}
		if label := me.connections(me.Project)[0].Label; label != domaintest.DefaultUser.Name {
			t.Errorf("the account is called %q", label)
		}
	})
}

// TestHost2EndsASignIn: in each flow, one that was given up, forgotten or refused is
// followed by another that succeeds. OpenCode does not say that somebody has closed the
// dialog, so the next sign-in ends the one before.
func TestHost2EndsASignIn(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{})
		me := newHost2(t, name, confidential(t, domain))
		for i, method := range []string{"browser", "device", "paste"} {
			left := me.begins(method)
			if left.Device != (method == "device") {
				t.Errorf("%s: OpenCode shows a QR code: %v", method, left.Device)
			}
			me.does("cancel", args{"attempt": left.ID}, nil)
			forgotten := me.begins(method)
			me.does("advance", args{"seconds": 3600}, nil)
			if status, _ := forgotten.ends(); status != "expired" {
				t.Errorf("%s: a sign-in that nobody has finished is %s", method, status)
			}
			me.does("advance", args{"seconds": -3600}, nil)
			denied := me.begins(method)
			denied.is(domain, "denied")
			if status, message := denied.ends(); status != "failed" || !strings.Contains(message, "refused") {
				t.Errorf("%s: a sign-in that was denied is %s: %s", method, status, message)
			}
			again := me.begins(method)
			again.is(domain, "allowed")
			again.succeeds()
			me.answers(nil, greeting)
			if accounts := me.connections(me.Project); len(accounts) != i+1 {
				t.Errorf("%s: after %d sign-ins the accounts are %v", method, i+1, accounts)
			}
		}
	})
}

// If a person pastes something else than the address where the sign-in ended, the message says
// what was pasted.
func TestHost2ExplainsAWrongPaste(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{})
		me := newHost2(t, name, confidential(t, domain))
		wrong := me.begins("paste")
		if wrong.Mode != "code" || !strings.Contains(wrong.Instructions, "paste it here") {
			t.Errorf("the sign-in is %+v", wrong)
		}
		me.does("complete", args{"attempt": wrong.ID, "code": "https://www.example.com/"}, nil)
		if status, message := wrong.ends(); status != "failed" || !strings.Contains(message, "The pasted text is") {
			t.Errorf("something else was pasted, and the sign-in is %s: %s", status, message)
		}
	})
}

// TestHost2NeedsNobody: an application signs in by itself, and OpenCode can check it.
func TestHost2NeedsNobody(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{})
		c := confidential(t, domain)
		c.Method, c.Scope = "client_credentials", domaintest.DefaultScope
		me := startHost2(t, name)
		me.write(me.ConfigDir(), "oci-auth.config.jsonc", c)
		me.loads(me.Project, map[string]any{"providers": map[string]any{"oci-oidc": map[string]any{
			"models": map[string]any{domaintest.DefaultModel: map[string]any{}}}}})
		if o := me.asks(nil); o.Text == "" || o.Error != "" {
			t.Errorf("without an account OpenCode gets %+v", o)
		}
		me.begins("check").succeeds()

		domain.Change(func(o *domaintest.Options) { o.Clients[0].Secret = "another" })
		if status, message := me.begins("check").ends(); status != "failed" || !strings.Contains(message, "client_secret") {
			t.Errorf("with a secret that the domain no longer takes the check is %s: %s", status, message)
		}
	})
}

// TestHost2SaysWhyASignInCannotBegin: authorize never rejects, since OpenCode would show
// "Unexpected server error".
func TestHost2SaysWhyASignInCannotBegin(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		c := confidential(t, domaintest.New(t, domaintest.Options{}))
		c.Scope = ""
		me := newHost2(t, name, c)
		for _, method := range []string{"browser", "device", "paste"} {
			if status, message := me.begins(method).ends(); status != "failed" || !strings.Contains(message, "scope: is empty") {
				t.Errorf("%s: %s, %q", method, status, message)
			}
		}
	})
}

func (a *attempt2) code() string {
	a.host.t.Helper()
	code := regexp.MustCompile(`Code: (\S+)`).FindStringSubmatch(a.Instructions)
	if code == nil {
		a.host.t.Fatalf("there is no code in %q", a.Instructions)
	}
	return code[1]
}

// is lets the person allow or deny.
func (a *attempt2) is(domain *domaintest.Server, decision string) {
	t := a.host.t
	t.Helper()
	device, press := domain.ApproveDevice, domain.Allow
	if decision == "denied" {
		device, press = domain.DenyDevice, domain.Deny
	}
	if a.Device {
		check(t, device(a.code()))
		return
	}
	redirect, err := press(t.Context(), a.URL)
	check(t, err)
	if a.Mode == "code" {
		a.host.does("complete", args{"attempt": a.ID, "code": redirect}, nil)
		return
	}
	page, err := http.Get(redirect)
	check(t, err)
	check(t, page.Body.Close())
}
