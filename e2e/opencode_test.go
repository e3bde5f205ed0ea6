package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestFirstAnswerAfterBrowserSignIn: in the latest version with a model that the person has
// configured, in the others with the endpoint's.
func TestFirstAnswerAfterBrowserSignIn(t *testing.T) {
	t.Parallel()
	for _, version := range []string{opencode.Latest, opencode.Middle, opencode.Oldest} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Catalogue: domaintest.LiteLLM,
				Models: []string{"text-embedding-3-large", domaintest.DefaultModel}})
			me := newConfiguredComputer(t, version, confidential(t, domain))
			if version != opencode.Latest {
				me.withoutModels(nil)
			}
			me.signIn(withBrowser, byItself)
			me.asks("hi").answers(greeting)
			if got := domain.Count(domaintest.Token); got != 1 {
				t.Errorf("%d token requests, want the one of the sign-in in another process", got)
			}
		})
	}
}

// TestDeviceSignIn: the requests that follow are the same in each way to sign in.
func TestDeviceSignIn(t *testing.T) {
	t.Parallel()
	for _, version := range []string{opencode.Latest, opencode.Middle, opencode.Oldest} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{})
			me := newConfiguredComputer(t, version, mobile(t, domain))
			me.signIn(withCode, typedCode(domain))
		})
	}
}

// TestTokenThatTheDomainMustRenew is one that has expired or that the endpoint rejects.
func TestTokenThatTheDomainMustRenew(t *testing.T) {
	t.Parallel()
	person := newComputer(t, opencode.Latest)
	person.serves()
	signedIn := func(t *testing.T) (*domaintest.Server, *computer) {
		t.Parallel()
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		me := person.inProject(t, confidential(t, domain))
		me.signInAtThePrompt()
		return domain, me
	}
	t.Run("an expired token is refreshed silently", func(t *testing.T) {
		domain, me := signedIn(t)
		me.expiresTokens()
		answer := me.chats("oci-oidc")
		answer.answers(greeting)
		answer.saysNot("/connect", "retrying")
		if got, want := strings.Join(grantTypes(domain), " "), "authorization_code refresh_token"; got != want {
			t.Errorf("token requests %q, want %q", got, want)
		}
	})
	t.Run("a revoked token is renewed and the request repeated once", func(t *testing.T) {
		domain, me := signedIn(t)
		domain.RevokeAccessTokens()
		answer := me.chats("oci-oidc")
		answer.answers(greeting)
		answer.saysNot("401", "Unauthorized", "retrying")
		tokens, statuses := bearers(domain)
		if len(statuses) != 2 || statuses[0] != http.StatusUnauthorized || statuses[1] != http.StatusOK {
			t.Errorf("the endpoint answered %v, want a 401 and a 200", statuses)
		} else if tokens[0] == tokens[1] {
			t.Error("the request was repeated with the rejected token")
		}
		if got, want := strings.Join(grantTypes(domain), " "), "authorization_code refresh_token"; got != want {
			t.Errorf("token requests %q, want %q", got, want)
		}
	})
	t.Run("an ended session is one line and one request", func(t *testing.T) {
		domain, me := signedIn(t)
		me.expiresTokens()
		domain.RevokeRefreshTokens()
		before := domain.Count(domaintest.Token)
		refused := me.chats("oci-oidc")
		refused.says("/connect")
		refused.saysNot("retrying")
		if lines := strings.Count(refused.all.String(), "/connect"); lines != 1 {
			t.Errorf("the way out is told %d times, want once\n%s", lines, refused.output())
		}
		if refused.err == nil {
			t.Error("OpenCode ends well without an answer")
		}
		if got := domain.Count(domaintest.Token) - before; got != 1 {
			t.Errorf("%d token requests, want exactly one", got)
		}
		if got := domain.Count(domaintest.Chat); got != 0 {
			t.Errorf("%d requests reached the endpoint", got)
		}
	})
}

func TestMissingConfigurationNamesTheSearchedPaths(t *testing.T) {
	t.Parallel()
	me := newComputer(t, opencode.Latest)
	lost := me.asks("hi")
	lost.says(filepath.Join(me.Project, "oci-auth.config.jsonc"))
	lost.says(filepath.Join(me.ConfigDir(), "oci-auth.config.jsonc"))
	lost.saysNot("undefined/chat/completions", "retrying")
}

func TestOneLineOnStdioIsAnsweredAndGarbageBeforeItToo(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	const status = `{"jsonrpc":"2.0","id":1,"method":"status"}` + "\n"

	answers := me.stdio(status)
	if len(answers) != 1 {
		t.Fatalf("%d lines, want one: %q", len(answers), answers)
	}
	if answer := parseAnswer(t, answers[0]); answer.ID != 1 || answer.Error.Code != 0 {
		t.Errorf("answer %s", answers[0])
	}
	answers = me.stdio("garbage\n" + status)
	if len(answers) != 2 {
		t.Fatalf("%d lines, want two: %q", len(answers), answers)
	}
	if answer := parseAnswer(t, answers[0]); answer.Error.Code != -32700 {
		t.Errorf("garbage is answered with %s", answers[0])
	}
	if answer := parseAnswer(t, answers[1]); answer.ID != 1 || answer.Error.Code != 0 {
		t.Errorf("answer after garbage %s", answers[1])
	}
}

type rpcAnswer struct {
	ID    int
	Error struct{ Code int }
}

func parseAnswer(t *testing.T, line string) (answer rpcAnswer) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &answer); err != nil {
		t.Fatalf("%v: %q", err, line)
	}
	return answer
}

// grantTypes returns what the domain's token endpoint was asked for.
func grantTypes(domain *domaintest.Server) (types []string) {
	for _, request := range domain.Requests(domaintest.Token) {
		types = append(types, request.Form.Get("grant_type"))
	}
	return types
}
