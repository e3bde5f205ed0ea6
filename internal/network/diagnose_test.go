package network

import (
	"net"
	"net/url"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// TestRefusedAndCutConnections checks the error numbers of this system.
func TestRefusedAndCutConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		// Closed with an unread request, and at once: a reset, not an end.
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}()
	_, p := get(t, Settings{}, address)
	check(t, p, problem.Network, address.Host+" cut the connection.If it speaks TLS, its address begins with https://.")
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, p = get(t, Settings{}, address)
	check(t, p, problem.Network, "nothing is listening at "+address.Host)
}
