package network

import (
	"context"
	"net"
	"net/url"
	"os"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// If a host name cannot be resolved, the problem says so, and why.
func TestNameResolutionFails(t *testing.T) {
	if os.Getenv("WINE_RUNS_THIS") != "" {
		t.Skip("wine has no UDP for Go")
	}
	// answers starts a name server; without a code there is none.
	answers := func(t *testing.T, code dnsmessage.RCode, none bool) {
		server, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := server.LocalAddr().String()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for buffer := make([]byte, 4096); ; {
				n, from, err := server.ReadFrom(buffer)
				if err != nil {
					return
				}
				var asked dnsmessage.Message
				if asked.Unpack(buffer[:n]) != nil {
					continue
				}
				answer := dnsmessage.Message{Header: dnsmessage.Header{ID: asked.ID, Response: true, RecursionAvailable: true, RCode: code}, Questions: asked.Questions}
				if raw, err := answer.Pack(); err == nil {
					_, _ = server.WriteTo(raw, from)
				}
			}
		}()
		if none {
			_ = server.Close()
		}
		before := net.DefaultResolver
		net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp", address)
		}}
		t.Cleanup(func() { net.DefaultResolver = before; _ = server.Close(); <-ended })
	}
	for _, row := range []struct {
		name string
		code dnsmessage.RCode
		none bool
		says string
	}{
		{"no such name", dnsmessage.RCodeNameError, false, "the name idcs.example.test was not found."},
		{"a name without addresses", dnsmessage.RCodeSuccess, false, "the name idcs.example.test was not found."},
		{"SERVFAIL", dnsmessage.RCodeServerFailure, false, "the name idcs.example.test was not looked up: the name server has a fault of its own."},
		{"REFUSED", dnsmessage.RCodeRefused, false, "the name idcs.example.test was not looked up: the name server has a fault of its own."},
		{"no name server", 0, true, "the name idcs.example.test was not looked up: there is no name server"},
	} {
		t.Run(row.name, func(t *testing.T) {
			answers(t, row.code, row.none)
			_, p := get(t, Settings{}, &url.URL{Scheme: "https", Host: "idcs.example.test", Path: "/"})
			check(t, p, problem.Network, row.says)
		})
	}
	slow := Settings{}.Diagnose(&net.DNSError{Err: "i/o timeout", Name: "idcs.example.test", IsTimeout: true}, &url.URL{Scheme: "https", Host: "idcs.example.test"})
	check(t, slow, problem.Network, "the name idcs.example.test was not looked up: the name server did not answer in time.")
}
