package domaintest_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestCloseEndsStalledRequestsAndFreesThePorts(t *testing.T) {
	options := domaintest.Options{DomainAddr: freeAddress(), EndpointAddr: freeAddress()}
	server, err := domaintest.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	server.FailAlways(domaintest.Discovery, domaintest.Fault{Kind: domaintest.Stall})
	var stalled sync.WaitGroup
	for range 5 {
		request := newRequest(t, http.MethodGet, server.URL+"/.well-known/openid-configuration", "")
		stalled.Go(func() {
			if answer, err := http.DefaultTransport.RoundTrip(request); err == nil {
				_ = answer.Body.Close()
				t.Error("a stalled request was answered")
			}
		})
	}
	if err := server.WaitFor(t.Context(), domaintest.Discovery, 5); err != nil {
		t.Fatal(err)
	}
	server.Close()
	server.Close()
	stalled.Wait()

	again, err := domaintest.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func freeAddress() string { return fmt.Sprintf("127.0.0.1:%d", domaintest.FreePort()) }

func TestStartReportsATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, options := range []domaintest.Options{
		{DomainAddr: taken.Addr().String()},
		{EndpointAddr: taken.Addr().String()},
	} {
		if server, err := domaintest.Start(options); err == nil {
			server.Close()
			t.Error("two listeners on one port")
		}
	}
}

func TestServerListensOnIPv6(t *testing.T) {
	if probe, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skipf("no IPv6 here: %v", err)
	} else {
		_ = probe.Close()
	}
	server := domaintest.New(t, domaintest.Options{DomainAddr: "[::1]:0", EndpointAddr: "[::1]:0"})
	got := get(t, server.URL+"/.well-known/openid-configuration")
	if !strings.HasPrefix(got.str("token_endpoint"), "http://[::1]:") {
		t.Error(got.text)
	}
	if got := ask(t, server, issue(t, server, allScopes).AccessToken); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestOptionsChangeWhileRequestsRun(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{Rotation: domaintest.Keep})
	token := issue(t, server, allScopes).RefreshToken
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			server.Change(func(o *domaintest.Options) { o.ExpiresIn = 60 + i })
			server.AllowRedirect(domaintest.MobileClient, "http://localhost/"+strings.Repeat("x", i))
			server.Clock.Advance(1)
			server.Options().Clients[0].RedirectURIs[0] = "the caller's own"
		})
		all.Go(func() {
			if got := refresh(t, server, token); got.status != http.StatusOK {
				t.Errorf("%d %s", got.status, got.text)
			}
		})
	}
	all.Wait()
	options := server.Options()
	if options.Clients[0].RedirectURIs[0] != domaintest.DefaultRedirect || len(options.Clients[1].RedirectURIs) != 11 {
		t.Errorf("%+v", options.Clients)
	}
}

func TestJournalKeepsWhatWasSent(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	signIn(t, server, allScopes)
	asked := server.Requests(domaintest.Authorize)
	if len(asked) != 1 || asked[0].Form.Get("code_challenge_method") != "S256" || asked[0].Method != http.MethodGet {
		t.Errorf("%+v", asked)
	}
	sent := server.Requests(domaintest.Token)
	if len(sent) != 1 || sent[0].Form.Get("grant_type") != "authorization_code" || sent[0].Status != http.StatusOK ||
		sent[0].Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		t.Errorf("%+v", sent)
	}
	token := issue(t, server, allScopes).AccessToken
	for range 1001 {
		ask(t, server, token)
	}
	if kept := len(server.Requests(domaintest.Chat)); kept != 1000 || server.Count(domaintest.Chat) != 1001 {
		t.Errorf("%d kept, %d counted", kept, server.Count(domaintest.Chat))
	}
}
