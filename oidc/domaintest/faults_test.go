package domaintest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestFaultsThatAnswer(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := issue(t, server, allScopes).RefreshToken
	for _, test := range []struct {
		fault      domaintest.Fault
		status     int
		retryAfter string
	}{
		{domaintest.Fault{Kind: domaintest.Throttle}, http.StatusTooManyRequests, ""},
		{domaintest.Fault{Kind: domaintest.Throttle, RetryAfter: 1500 * time.Millisecond}, http.StatusTooManyRequests, "2"},
		{domaintest.Fault{Kind: domaintest.ServerError}, http.StatusInternalServerError, ""},
		{domaintest.Fault{Kind: domaintest.Unavailable}, http.StatusServiceUnavailable, ""},
		{domaintest.Fault{Kind: domaintest.Unavailable, RetryAfter: time.Minute}, http.StatusServiceUnavailable, "60"},
		{domaintest.Fault{Kind: domaintest.Unauthorized}, http.StatusUnauthorized, ""},
		{domaintest.Fault{Kind: domaintest.ProxyAuth}, http.StatusProxyAuthRequired, ""},
		{domaintest.Fault{Kind: domaintest.Portal}, http.StatusOK, ""},
	} {
		t.Run(string(test.fault.Kind)+" "+test.retryAfter, func(t *testing.T) {
			server.Fail(domaintest.Token, test.fault)
			got := refresh(t, server, token)
			if got.status != test.status || got.header.Get("Retry-After") != test.retryAfter ||
				!strings.HasPrefix(got.header.Get("Content-Type"), "text/html") || got.json != nil {
				t.Errorf("%d %v %s", got.status, got.header, got.text)
			}
		})
	}
	if got := refresh(t, server, token); got.status != http.StatusOK {
		t.Errorf("a fault used the refresh token up: %d %s", got.status, got.text)
	}
}

// wantReset sends a refresh whose connection must be reset: one that is merely
// closed shows as EOF.
func wantReset(t *testing.T, server *domaintest.Server, token string) {
	t.Helper()
	request := formRequest(t, server.URL+"/oauth2/v1/token", mobile("grant_type", "refresh_token", "refresh_token", token))
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(request)
	if err == nil {
		_ = answer.Body.Close()
	}
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestResetComesBeforeTheRequestIsProcessed(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := issue(t, server, allScopes).RefreshToken
	server.Fail(domaintest.Token, domaintest.Fault{Kind: domaintest.Reset})
	wantReset(t, server, token)
	if got := refresh(t, server, token); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestResetAfterLosesTheAnswerOfAProcessedRequest(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := issue(t, server, allScopes).RefreshToken
	server.Fail(domaintest.Token, domaintest.Fault{Kind: domaintest.ResetAfter})
	wantReset(t, server, token)
	wantError(t, refresh(t, server, token), http.StatusBadRequest, "invalid_grant")
}

func TestTruncatedAnswerIsNoJSON(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	token := issue(t, server, allScopes).RefreshToken
	server.Fail(domaintest.Token, domaintest.Fault{Kind: domaintest.Truncate})
	got := refresh(t, server, token)
	if got.status != http.StatusOK || !strings.HasPrefix(got.text, `{"access_token":"eyJ`) || got.json != nil {
		t.Errorf("%d %s", got.status, got.text)
	}
	wantError(t, refresh(t, server, token), http.StatusBadRequest, "invalid_grant")
}

func TestHugeAnswer(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	server.Fail(domaintest.Discovery, domaintest.Fault{Kind: domaintest.Huge})
	answer, err := http.DefaultTransport.RoundTrip(newRequest(t, http.MethodGet, server.URL+"/.well-known/openid-configuration", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if n, err := io.Copy(io.Discard, answer.Body); n < 64<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestStallLastsUntilTheClientGivesUp(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	server.Fail(domaintest.Keys, domaintest.Fault{Kind: domaintest.Stall})
	ctx, giveUp := context.WithCancel(t.Context())
	request := newRequest(t, http.MethodGet, server.URL+"/admin/v1/SigningCert/jwk", "").WithContext(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := http.DefaultTransport.RoundTrip(request)
		ended <- err
	}()
	if err := server.WaitFor(t.Context(), domaintest.Keys, 1); err != nil {
		t.Fatal(err)
	}
	giveUp()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if requests := server.Requests(domaintest.Keys); len(requests) != 1 || requests[0].Status != 0 {
		t.Errorf("%+v", requests)
	}
}

func TestFaultsQueueAndLast(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	status := func() int { return get(t, server.URL+"/.well-known/openid-configuration").status }
	server.FailAlways(domaintest.Discovery, domaintest.Fault{Kind: domaintest.Unavailable})
	server.Fail(domaintest.Discovery, domaintest.Fault{Kind: domaintest.ServerError}, domaintest.Fault{Kind: domaintest.Throttle})
	for _, want := range []int{500, 429, 503, 503} {
		if got := status(); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	if got := get(t, server.URL+"/admin/v1/SigningCert/jwk").status; got != http.StatusUnauthorized {
		t.Errorf("another operation answers %d", got)
	}
	server.Fail(domaintest.Discovery, domaintest.Fault{Kind: domaintest.ServerError})
	server.Heal(domaintest.Discovery)
	if got := status(); got != http.StatusOK {
		t.Errorf("healed: %d", got)
	}
	if n := server.Count(domaintest.Discovery); n != 5 {
		t.Errorf("%d requests counted", n)
	}
}

func TestSkewedClock(t *testing.T) {
	clock := &domaintest.Clock{}
	clock.Advance(time.Until(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)))
	server := domaintest.New(t, domaintest.Options{Clock: clock})
	_, claims := parts(t, issue(t, server, allScopes).AccessToken)
	if issued := time.Unix(int64(claims["iat"].(float64)), 0).UTC(); issued.Year() != 2031 {
		t.Errorf("issued at %v", issued)
	}
}
