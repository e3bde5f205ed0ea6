package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// TestHost2SendsTheTokenWhereItBelongs: on each kind of request that a plugin can reach,
// and on no other provider's.
func TestHost2SendsTheTokenWhereItBelongs(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		var mu sync.Mutex
		var others []http.Header
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			others = append(others, r.Header)
			_, _ = fmt.Fprint(w, `data: {"choices":[{"delta":{"content":"other"}}]}`)
		}))
		t.Cleanup(other.Close)
		me := startHost2(t, name)
		me.write(me.ConfigDir(), "oci-auth.config.jsonc", confidential(t, domain))
		me.loads(me.Project, map[string]any{"providers": map[string]any{"other": map[string]any{
			"activation": "enabled", "settings": map[string]any{"baseURL": other.URL}, "models": map[string]any{"m": map[string]any{}},
		}}})
		me.signsIn(me.Project)
		for i, kind := range []string{"primary", "title", "compaction", "generate"} {
			me.answers(args{"kind": kind}, greeting)
			sent := domain.Requests(domaintest.Chat)[i].Header
			if sent.Get("X-Opencode-Session-Id") == "" || sent.Get("Content-Type") != "application/json" {
				t.Errorf("%s: what OpenCode sends with a request is lost: %v", kind, sent)
			}
		}
		me.answers(args{"providerID": "other"}, "other")
		if len(others) != 1 || others[0].Get("Authorization") != "" {
			t.Errorf("another provider gets %v", others)
		}
	})
}

// TestHost2HasAProviderForEachEndpoint, with the session's one token, which goes to the
// provider's own endpoint. One that is added later is listed without a restart.
func TestHost2HasAProviderForEachEndpoint(t *testing.T) {
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		first, qwen := newFront(t, domain.LLMBaseURL), newFront(t, domain.LLMBaseURL)
		configured := confidential(t, domain)
		configured.Endpoint = first.URL + "/v1"
		me := newHost2(t, name, configured)
		me.signsIn(me.Project)

		configured.Endpoints = map[string]any{"qwen": qwen.URL + "/v1"}
		me.write(me.ConfigDir(), "oci-auth.config.jsonc", configured)
		eventually(t, func() error {
			me.asks(nil) // somebody works: then the helper looks at its files
			if models := me.models(me.Project); !slices.Contains(models, "oci-oidc-qwen/"+domaintest.DefaultModel) {
				return fmt.Errorf("OpenCode lists %q", models)
			}
			return nil
		})
		me.answers(nil, greeting)
		me.answers(args{"providerID": "oci-oidc-qwen"}, greeting)
		first.Close()
		me.answers(args{"providerID": "oci-oidc-qwen"}, greeting)
		if o := me.asks(nil); o.Text != "" || o.Error == "" {
			t.Errorf("oci-oidc, whose endpoint is gone: %+v", o)
		}
		tokens := slices.Concat(first.tokens(), qwen.tokens())
		if len(slices.Compact(tokens)) != 1 || !strings.HasPrefix(tokens[0], "Bearer ey") {
			t.Error("the endpoints get different tokens")
		}
	})
}

// TestHost2HasASignInForEachScope: the endpoints take no other session's token. A refused one
// is replaced by one of the same session, and when one session ends, the account is marked and
// the other session goes on.
func TestHost2HasASignInForEachScope(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Resources: []domaintest.Resource{
			{Audience: "https://llm.example.com", Scopes: []string{"/chat"}}, {Audience: "https://qwen.example.com", Scopes: []string{"/chat"}},
		}})
		first, qwen := newFront(t, domain.LLMBaseURL), newNotes(t, domain.Endpoint(1))
		configured := confidential(t, domain)
		configured.Endpoint = first.URL + "/v1"
		configured.Endpoints = map[string]any{"qwen": map[string]string{
			"base_url": qwen.URL + "/v1", "scope": "openid offline_access https://qwen.example.com/chat",
		}}
		me := newHost2(t, name, configured)
		me.signsIn(me.Project)
		other := args{"providerID": "oci-oidc-qwen"}
		attempt := me.begins("browser-oci-oidc-qwen")
		approves(t, attempt.URL)
		attempt.succeeds()
		me.keepsNoToken()
		answer := func() {
			t.Helper()
			me.answers(nil, greeting)
			me.answers(other, greeting)
		}
		answer()
		ours, theirs := slices.Compact(first.tokens()), slices.Compact(qwen.tokens())
		if len(ours) != 1 || len(theirs) != 1 || ours[0] == theirs[0] {
			t.Errorf("the endpoints were sent %d and %d tokens, want one each", len(ours), len(theirs))
		}
		domain.RevokeAccessTokens()
		answer()
		if ours, theirs := slices.Compact(first.tokens()), slices.Compact(qwen.tokens()); len(ours) != 2 || len(theirs) != 2 {
			t.Errorf("after a refusal the endpoints were sent %d and %d tokens, want two each", len(ours), len(theirs))
		}
		marked := func(want string) {
			t.Helper()
			eventually(t, func() error {
				got := ""
				if status := me.connections(me.Project)[0].Status; status != nil {
					got = status.Message
				}
				if got != want {
					return fmt.Errorf("the account is marked with %q, want %q", got, want)
				}
				return nil
			})
		}
		me.atThePrompt("logout", "--endpoint", "qwen")
		eventually(t, func() error {
			if o := me.asks(other); !strings.Contains(o.Error, "not signed in for the endpoint qwen") {
				return fmt.Errorf("after its sign-out: %+v", o)
			}
			return nil
		})
		me.answers(nil, greeting)
		marked("") // nobody has to sign in for an endpoint
		signsIn := func() {
			t.Helper()
			attempt := me.begins("browser-oci-oidc-qwen")
			approves(t, attempt.URL)
			attempt.succeeds()
			me.answers(other, greeting)
		}
		signsIn()
		domain.EndSessions()
		domain.RevokeAccessTokens()
		if o := me.asks(other); !strings.Contains(o.Error, "not signed in for the endpoint qwen") {
			t.Errorf("after the end of its session: %+v", o)
		}
		marked("Not signed in for the endpoint qwen")
		signsIn()
		marked("")
	})
}

// A forbidder answers 403 where the endpoint answers 401, as some gateways do.
type forbidder struct{ http.ResponseWriter }

func (f forbidder) WriteHeader(status int) {
	if status == http.StatusUnauthorized {
		status = http.StatusForbidden
	}
	f.ResponseWriter.WriteHeader(status)
}

func TestHost2RenewsARefusedTokenOnce(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		var forbids, refuses atomic.Bool
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Tamper: func(op domaintest.Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			switch {
			case op == domaintest.Chat && refuses.Load():
				http.Error(w, "Authorization Required", http.StatusUnauthorized)
			case op == domaintest.Chat && forbids.Load():
				honest(forbidder{w}, r)
			default:
				honest(w, r)
			}
		}})
		me := newHost2(t, name, confidential(t, domain))
		requests := 0
		for _, forbidden := range []bool{true, false} {
			forbids.Store(forbidden)
			me.signsIn(me.Project)
			me.answers(nil, greeting)
			domain.RevokeAccessTokens()
			if o := me.asks(nil); o.Text != greeting || o.Attempts != 1 {
				t.Errorf("after the token was refused (with 403: %v): %+v", forbidden, o)
			}
			if requests += 3; domain.Count(domaintest.Chat) != requests {
				t.Errorf("%d requests, want %d", domain.Count(domaintest.Chat), requests)
			}
		}

		refuses.Store(true)
		if o := me.asks(nil); o.Attempts != 1 || o.Defect || !strings.Contains(o.Error, "The endpoint") {
			t.Errorf("an endpoint that refuses every token: %+v", o)
		}
		if got := domain.Count(domaintest.Chat) - requests; got > 2 {
			t.Errorf("%d requests, want 2 or fewer", got)
		}
	})
}

// TestHost2RefreshesAhead of the token's end: requests go on meanwhile, and none waits.
func TestHost2RefreshesAhead(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		held := make(chan struct{})
		let := sync.OnceFunc(func() { close(held) })
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true, ExpiresIn: 50, Tamper: func(op domaintest.Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			if op == domaintest.Token && r.PostForm.Get("grant_type") == "refresh_token" {
				<-held
			}
			honest(w, r)
		}})
		t.Cleanup(let)
		me := newHost2(t, name, confidential(t, domain))
		me.signsIn(me.Project)
		me.answers(nil, greeting)
		check(t, domain.WaitFor(t.Context(), domaintest.Token, 2))
		me.answers(nil, greeting) // with the domain's answer outstanding
		let()
		eventually(t, func() error {
			me.answers(nil, greeting)
			sent := domain.Requests(domaintest.Chat)
			if sent[0].Header.Get("Authorization") == sent[len(sent)-1].Header.Get("Authorization") {
				return errors.New("the new token is not used")
			}
			return nil
		})
	})
}

// TestHost2KnowsTheCompanysCA for the endpoint: by ca_file in OpenCode's own runtime, which
// Node's fetch does not take.
func TestHost2KnowsTheCompanysCA(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		company := newCompany(t)
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		c := confidential(t, domain)
		c.Endpoint, c.CAFile = company.front("localhost", "127.0.0.1", domain.LLMBaseURL), company.CAFile
		for _, environ := range [][]string{nil, {"NODE_EXTRA_CA_CERTS=" + company.CAFile}} {
			me := startHost2(t, name, environ...)
			me.write(me.ConfigDir(), "oci-auth.config.jsonc", c)
			me.loads(me.Project, nil)
			me.signsIn(me.Project)
			if name == "bun" || environ != nil {
				me.answers(nil, greeting)
			} else if o := me.asks(nil); o.Attempts != 1 || !strings.Contains(o.Error, "Set NODE_EXTRA_CA_CERTS") {
				t.Errorf("without NODE_EXTRA_CA_CERTS: %+v", o)
			}
		}
	})
}

// TestHost2FollowsNoRedirect: OpenCode's own fetch would, with the prompt in its hand.
func TestHost2FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			t.Error("the prompt went elsewhere")
		}))
		t.Cleanup(elsewhere.Close)
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Tamper: func(op domaintest.Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) {
			if op == domaintest.Chat {
				http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
				return
			}
			honest(w, r)
		}})
		me := newHost2(t, name, confidential(t, domain))
		me.signsIn(me.Project)
		if o := me.asks(nil); !strings.Contains(o.Error, "redirects") || o.Attempts != 1 || o.Defect {
			t.Errorf("an endpoint that redirects: %+v", o)
		}
	})
}

// TestHost2SaysWhatIsWrong: in words, without another try where none helps.
func TestHost2SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	withHost2(t, func(t *testing.T, domain *domaintest.Server, me *host2) {
		own := map[string]any{"providers": map[string]any{"oci-oidc": map[string]any{"models": map[string]any{"named": map[string]any{}}}}}
		me.loads(me.Project, own)
		if o := me.asks(nil); o.Attempts != 1 || o.Defect || !strings.Contains(o.Error, "not signed in") {
			t.Errorf("before the sign-in: %+v", o)
		}
		me.signsIn(me.Project)
		if models := me.models(me.Project); !slices.Contains(models, "oci-oidc/named") || !slices.Contains(models, "oci-oidc/"+domaintest.DefaultModel) {
			t.Errorf("the person's own models are merged with the endpoint's: %q", models)
		}
		domain.Fail(domaintest.Chat, domaintest.Fault{Kind: domaintest.Reset}, domaintest.Fault{Kind: domaintest.Unavailable})
		if o := me.asks(args{"model": domaintest.DefaultModel}); o.Text != greeting || o.Attempts != 3 {
			t.Errorf("trouble that passes: %+v", o)
		}
	})
}

// TestHost2EndOfASession: the account is marked until somebody signs in again.
func TestHost2EndOfASession(t *testing.T) {
	t.Parallel()
	withHost2(t, func(t *testing.T, domain *domaintest.Server, me *host2) {
		me.signsIn(me.Project)
		me.answers(nil, greeting)
		domain.EndSessions()
		domain.RevokeAccessTokens()
		if o := me.asks(nil); o.Attempts != 1 || o.Defect || !strings.Contains(o.Error, "session has ended") {
			t.Errorf("after the session has ended: %+v", o)
		}
		marked := func(want bool) {
			t.Helper()
			eventually(t, func() error {
				if got := me.connections(me.Project)[0].Status != nil; got != want {
					return fmt.Errorf("the account is marked: %v, want %v", got, want)
				}
				return nil
			})
		}
		marked(true)
		me.signsIn(me.Project)
		marked(false)
		me.answers(nil, greeting)
	})
}

// TestHost2SignsOut: whoever removes the account in OpenCode has signed out.
func TestHost2SignsOut(t *testing.T) {
	t.Parallel()
	withHost2(t, func(t *testing.T, domain *domaintest.Server, me *host2) {
		me.signsIn(me.Project)
		me.does("remove", args{"credential": me.connections(me.Project)[0].ID}, nil)
		eventually(t, func() error {
			if files := me.tokenFiles(); len(files) > 0 {
				return fmt.Errorf("the tokens are still there: %v", files)
			}
			return nil
		})
		// The plugin gives its token back when the helper has told it.
		eventually(t, func() error {
			if o := me.asks(nil); !strings.Contains(o.Error, "not signed in") {
				return fmt.Errorf("after the sign-out: %+v", o)
			}
			return nil
		})
		if domain.Count(domaintest.Revoke) == 0 {
			t.Error("the domain was not told")
		}
	})
}

// TestHost2KeepsLocationsApart: one server, two projects, two domains.
func TestHost2KeepsLocationsApart(t *testing.T) {
	t.Parallel()
	inHost2(t, func(t *testing.T, name string) {
		me := startHost2(t, name)
		var directories []string
		var domains []*domaintest.Server
		for i := range 2 {
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
			directory := filepath.Join(me.Dir, fmt.Sprint("project-", string(rune('a'+i))))
			check(t, os.Mkdir(directory, 0o700))
			c := mobile(t, domain)
			me.write(directory, "oci-auth.config.jsonc", c)
			directories, domains = append(directories, directory), append(domains, domain)
			me.loads(directory, nil)
			no := me.beginsIn(directory, "browser", map[string]any{"confirm": "no"})
			if status, message := no.ends(); status != "failed" || !strings.Contains(message, "not confirmed") {
				t.Errorf("a project that was not confirmed: %s, %s", status, message)
			}
			if err := me.tries("connect", args{"directory": directory, "integration": "oci-oidc", "method": "browser"}, nil); err == nil {
				t.Error("OpenCode does not ask about the project's configuration")
			}
			attempt := me.beginsIn(directory, "browser", map[string]any{"confirm": me.confirmation(directory)})
			approves(t, attempt.URL)
			attempt.succeeds()
		}
		for range 5 {
			for _, directory := range directories {
				me.answers(args{"directory": directory}, greeting)
			}
		}
		for i, domain := range domains {
			if got := domain.Count(domaintest.Chat); got != 5 {
				t.Errorf("endpoint %d has had %d requests, want 5", i, got)
			}
		}
		me.does("unload", args{"directory": directories[0]}, nil)
		me.hasHelpers(1)
		if models := me.models(directories[0]); len(models) > 0 {
			t.Errorf("a location without the plugin lists %q", models)
		}
		me.answers(args{"directory": directories[1]}, greeting)
		me.does("unload", args{"directory": directories[1]}, nil)
		me.hasHelpers(0)
	})
}

// TestHost2TenThousandRequests leave nothing behind, and no one of them waits for the domain.
func TestHost2TenThousandRequests(t *testing.T) {
	t.Parallel()
	withHost2(t, func(t *testing.T, domain *domaintest.Server, me *host2) {
		me.signsIn(me.Project)
		thousand := func() (grown float64) {
			t.Helper()
			var result struct{ Failed, Grown float64 }
			me.does("storm", args{"directory": me.Project, "providerID": "oci-oidc", "times": 1_000}, &result)
			if result.Failed > 0 {
				t.Fatalf("%v of 1,000 requests failed", result.Failed)
			}
			return result.Grown
		}
		thousand()
		grown := 0.0
		for range 10 { // a busy machine needs minutes for all of them, and has to answer in between
			grown += thousand()
		}
		if grown > 5<<20 {
			t.Errorf("10,000 requests have left %.0f bytes", grown)
		}
		if got := domain.Count(domaintest.Token); got != 1 {
			t.Errorf("%d token requests, want that of the sign-in", got)
		}
	})
}
