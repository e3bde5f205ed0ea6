package e2e

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestRefusedModelEndsNoSession: a 401 about one model is told in the endpoint's words,
// each time, and changes neither the status nor what the other models answer; with a
// refresh token and without one.
func TestRefusedModelEndsNoSession(t *testing.T) {
	t.Parallel()
	const disabled = "disabled-model"
	person := newComputer(t, opencode.Latest)
	person.withoutModels(nil)
	person.serves()
	for name, without := range map[string]string{"with a refresh token": "", "without one": "offline_access"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Models: []string{domaintest.DefaultModel, disabled}})
			config := confidential(t, domain)
			if without != "" {
				config.Scope = strings.Join(strings.Fields(strings.Replace(config.Scope, without, "", 1)), " ")
			}
			me := person.inProject(t, config)
			me.signInAtThePrompt()
			domain.Change(func(o *domaintest.Options) {
				o.Tamper = func(operation domaintest.Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
					body, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(bytes.NewReader(body))
					if operation != domaintest.Chat || !bytes.Contains(body, []byte(`"model":"`+disabled+`"`)) {
						honest(w, r)
						return
					}
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = io.WriteString(w, `{"error":{"message":"Model is disabled","type":"auth_error","code":"401"}}`)
				}
			})
			status, err := me.helps("status")
			if err != nil {
				t.Fatalf("%v\n%s", err, status)
			}
			before := domain.Count(domaintest.Token)
			for range 2 {
				refused := me.chats("oci-oidc", disabled)
				me.isTold(refused, "It says: Model is disabled", "choose another model")
				refused.saysNot("/connect", "not signed in", "session has ended", "retrying")
				now, err := me.helps("status")
				if signedIn, _, _ := strings.Cut(now, "\n"); err != nil || !strings.HasPrefix(status, signedIn) {
					t.Errorf("the status was\n%s\nand is (%v)\n%s", status, err, now)
				}
				me.restartsHelper()
			}
			me.chats("oci-oidc").answers(greeting)
			// Each process may try another token once.
			if n := domain.Count(domaintest.Token) - before; n > 2 {
				t.Errorf("%d refreshes", n)
			}
		})
	}
}
