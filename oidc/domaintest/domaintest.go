// Package domaintest is a stand-in for an OCI IAM identity domain and for the
// LLM endpoint behind it, as net/http/httptest is for a web server: two real
// HTTP servers on loopback ports, to sign in at and to send requests to.
//
//	server := domaintest.New(t, domaintest.Options{ExpiresIn: 60})
//	// sign in at server.URL, send chat requests to server.LLMBaseURL
//	server.Fail(domaintest.Token, domaintest.Fault{Kind: domaintest.ResetAfter})
//	server.Clock.Advance(time.Hour)
//
// # Faithful where a client could go wrong
//
// The zero [Options] behave as a domain does on the wire, including the habits
// that a client written from the RFCs alone would trip over:
//
//   - Discovery names a generic issuer that is not the domain's address, and is
//     silent about the device endpoint and about PKCE, although both work.
//   - The signing keys answer 401 until the domain's owner makes them public.
//   - A refresh token comes only when three switches are on, serves once, and
//     its reuse is an invalid_grant. No answer tells the scope.
//   - The device answer has no interval and no complete address, and its address
//     is an http: one. A confidential client authenticates at every poll.
//   - Redirect addresses match exactly, port included; a wrong one ends on a page
//     of the domain and never comes back to the client.
//
// What Oracle does not document is a field of Options, so that a client can be
// tried against either behaviour.
//
// # What it promises
//
// Everything that expires does so by one [Clock], which also dates the answers.
// Every operation counts and keeps its requests, can be told to fail in ways that
// networks, proxies and overloaded domains fail, and ends with [Server.Close],
// which leaves neither a goroutine nor a port behind. What comes in from outside
// is limited in size and in number.
//
// # What it refuses
//
// It is no identity provider: passwords are plain text in Options, the control
// handler has no authentication, and its endpoint has no TLS. It shares no code
// with the client it tests, so that one mistake cannot hide another.
package domaintest

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Server is a running domain and the endpoint behind it. Its methods may be
// called from any goroutine.
type Server struct {
	URL        string // the domain, "http://127.0.0.1:41000"
	LLMBaseURL string // the endpoint's base address, "http://127.0.0.1:41001/v1"
	Addr       string // where the domain listens, "127.0.0.1:41000", whatever URL says
	Clock      *Clock // what expires, expires by this clock

	options atomic.Pointer[Options] // replaced whole, never changed in place
	setting sync.Mutex              // held while options are replaced

	key     atomic.Pointer[func() *rsa.PrivateKey]
	tenant  string
	journal journal
	faults  faults
	state   state
	revoked revocations
	lasting sync.Map // of lasting, by what they are for

	servers []*http.Server
	stop    context.CancelFunc // ends every request's context

	life    sync.Mutex // guards closed, and orders it with running.Add
	closed  bool
	running sync.WaitGroup // requests being answered and listeners being served
}

// New starts a server that is closed when the test ends. A server that cannot
// start fails the test.
func New(t testing.TB, options Options) *Server {
	t.Helper()
	server, err := Start(options)
	if err != nil {
		t.Fatalf("domaintest: %v", err)
	}
	t.Cleanup(server.Close)
	return server
}

// Start starts a server; the caller closes it. The error is that of listening.
func Start(options Options) (*Server, error) {
	options = options.withDefaults()
	domain, err := net.Listen("tcp", options.DomainAddr)
	if err != nil {
		return nil, err
	}
	endpoint, err := net.Listen("tcp", options.EndpointAddr)
	if err != nil {
		return nil, errors.Join(err, domain.Close())
	}

	url := "http://" + domain.Addr().String()
	if options.TLS != nil {
		url = "https://" + domain.Addr().String()
		domain = tls.NewListener(domain, options.TLS)
	}
	server := &Server{
		URL:        cmp.Or(options.PublicURL, url),
		Addr:       domain.Addr().String(),
		LLMBaseURL: "http://" + endpoint.Addr().String() + "/v1",
		Clock:      options.Clock,
		tenant:     "idcs-" + randomHex(16),
	}
	server.options.Store(&options)
	server.RotateSigningKey()
	ctx, stop := context.WithCancel(context.Background())
	server.stop = stop
	server.listen(ctx, domain, server.domain())
	server.listen(ctx, endpoint, server.endpoint(0))
	return server, nil
}

// listen serves handler on listener until Close.
func (s *Server) listen(ctx context.Context, listener net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	s.servers = append(s.servers, server)
	s.running.Go(func() { _ = server.Serve(listener) })
}

// Close stops both servers, cuts every connection, and returns when the last
// request has been given up. Closing twice is allowed.
func (s *Server) Close() {
	s.life.Lock()
	s.closed = true
	s.life.Unlock()
	s.stop()
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.running.Wait()
}

// enter reports whether a request may still be answered; if so, the caller calls
// s.running.Done when it is.
func (s *Server) enter() bool {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}
