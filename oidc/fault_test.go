package oidc

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// way is a RoundTripper that replaces the network.
type way func(*http.Request) (*http.Response, error)

func (w way) RoundTrip(req *http.Request) (*http.Response, error) { return w(req) }

// TestUnreachable has a row for each reason why no answer arrives: it checks the message,
// and that the session continues when the domain can be reached again.
func TestUnreachable(t *testing.T) {
	untrusted := httptest.NewUnstartedServer(nil)
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	_, atUntrusted := (&http.Transport{DisableKeepAlives: true}).RoundTrip(mustRequest(t, http.MethodGet, untrusted.URL))
	plain := httptest.NewServer(nil)
	defer plain.Close()
	_, atPlain := (&http.Transport{DisableKeepAlives: true}).RoundTrip(mustRequest(t, http.MethodGet, strings.Replace(plain.URL, "http:", "https:", 1)))

	for _, test := range []struct {
		name      string
		way       way
		kind      problem.Kind
		want      string
		retryable bool
		inDoubt   bool
	}{
		{"the name is not found", fails(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "127.0.0.1", IsNotFound: true}}),
			problem.Network, "was not found", true, false},
		{"nobody listens", fails(&net.OpError{Op: "dial", Err: errors.New("connection refused")}),
			problem.Network, "no connection", true, false},
		{"the certificate is not known", fails(atUntrusted), problem.TLS, "authority that this machine does not know", false, false},
		{"the other side speaks no TLS", fails(atPlain), problem.TLS, "does not speak TLS", false, false},
		{"no answer comes", func(req *http.Request) (*http.Response, error) {
			httptrace.ContextClientTrace(req.Context()).WroteHeaders()
			<-req.Context().Done()
			return nil, req.Context().Err()
		}, problem.Network, "did not answer in time", true, true},
		{"the answer stops in the middle", func(req *http.Request) (*http.Response, error) {
			httptrace.ContextClientTrace(req.Context()).WroteHeaders()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(stops{req.Context()})}, nil
		}, problem.Network, "did not answer in time", true, true},
		{"the connection is cut in the answer", func(req *http.Request) (*http.Response, error) {
			httptrace.ContextClientTrace(req.Context()).WroteHeaders()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"acc`), cut{}))}, nil
		}, problem.Network, "cut the connection", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
			w.bubble(func(t *testing.T) {
				tokens := w.expired()
				s := w.session()
				network := w.config.Network
				s.UseTransport(test.way)
				_, err := s.Token(t.Context(), "")
				p := problem.From(err)
				if p == nil || p.Kind != test.kind || p.Retryable != test.retryable || !strings.Contains(p.Message, test.want) || p.Hint == "" {
					t.Errorf("told %+v", p)
				}
				if saved := w.saved(); saved.Refresh != tokens.Refresh || saved.RefreshSentAt.IsZero() == test.inDoubt {
					t.Errorf("in doubt since %v, refresh token kept: %v", saved.RefreshSentAt, saved.Refresh == tokens.Refresh)
				}
				s.UseTransport(network)
				time.Sleep(2 * time.Minute)
				w.mustToken(s, "")
			})
		})
	}
}

func fails(err error) way {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// stops is a body that never ends.
type stops struct{ ctx context.Context }

func (s stops) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// cut is a body that ends too early.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRedirectsAreNotFollowed(t *testing.T) {
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	w := newWorld(t, domaintest.Options{}, config.ConfidentialApp)
	tokens := w.expired()
	tokens.Endpoints.Token = server.URL
	w.save(tokens)
	if _, err := w.session().Token(t.Context(), ""); !problem.Is(err, problem.Domain) || reached {
		t.Errorf("%v, the other server was reached: %v", err, reached)
	}
	w.config.DomainURL = server.URL
	if _, err := w.session().Connect(t.Context(), ConnectOptions{}); !problem.Is(err, problem.Domain) || reached {
		t.Errorf("discovery: %v, the other server was reached: %v", err, reached)
	}
}
