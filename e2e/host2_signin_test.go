package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestHost2SignsInWithABrowser(t *testing.T) {
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		me := newHost2(t, name, confidential(t, domain))
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

// TestHost2GivesUpASignIn: OpenCode does not say that somebody has closed the dialog, and
// the next sign-in ends the one before.
func TestHost2GivesUpASignIn(t *testing.T) {
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		me := newHost2(t, name, confidential(t, domain))
		left := me.begins("browser")
		me.does("cancel", args{"attempt": left.ID}, nil)
		forgotten := me.begins("browser")
		me.does("advance", args{"seconds": 3600}, nil)
		if status, _ := forgotten.ends(); status != "expired" {
			t.Errorf("a sign-in that nobody has finished is %s", status)
		}
		me.does("advance", args{"seconds": -3600}, nil)
		me.signsIn(me.Project)
		me.answers(nil, greeting)
		if accounts := me.connections(me.Project); len(accounts) != 1 {
			t.Errorf("the accounts are %v", accounts)
		}
	})
}

func TestHost2SignsInWithACode(t *testing.T) {
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{})
		me := newHost2(t, name, confidential(t, domain))
		denied := me.begins("device")
		check(t, domain.DenyDevice(denied.code()))
		if status, message := denied.ends(); status != "failed" || !strings.Contains(message, "refused") {
			t.Errorf("a sign-in that was denied is %s: %s", status, message)
		}
		again := me.begins("device")
		if !again.Device {
			t.Error("OpenCode is not told that the code is for another device, and shows no QR code")
		}
		check(t, domain.ApproveDevice(again.code()))
		again.succeeds()
		me.answers(nil, greeting)
	})
}

func TestHost2SignsInElsewhere(t *testing.T) {
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
		right := me.begins("paste")
		answer, err := domain.Allow(t.Context(), right.URL)
		check(t, err)
		me.does("complete", args{"attempt": right.ID, "code": answer}, nil)
		right.succeeds()
		me.answers(nil, greeting)
	})
}

// TestHost2NeedsNobody: an application signs in by itself, and OpenCode can check it.
func TestHost2NeedsNobody(t *testing.T) {
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
	})
}

// TestHost2SaysWhyASignInCannotBegin: authorize never rejects, since OpenCode would show
// "Unexpected server error".
func TestHost2SaysWhyASignInCannotBegin(t *testing.T) {
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
