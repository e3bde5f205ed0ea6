package domaintest

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// FreePort returns a port at which nobody listens on 127.0.0.1, and which no system
// gives to a connection by chance: those begin at 32768. It panics where there is none.
func FreePort() int {
	var err error
	for range 100 {
		port := 10_000 + rand.IntN(22_000)
		var listener net.Listener
		if listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = listener.Close()
			return port
		}
	}
	panic(fmt.Sprintf("domaintest: no free port: %v", err))
}

// FreeRedirect returns a redirect URI with a [FreePort].
func FreeRedirect() string { return fmt.Sprintf("http://localhost:%d/callback", FreePort()) }
