package domaintest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports come in blocks, which begin at firstPort. A process owns a block by listening at its
// first port until it ends, so that no two processes, also of two checkouts or under wine,
// give out the same port. No system gives these to a connection by chance: that begins at 32768.
const (
	firstPort = 10_000
	blockSize = 100
	blocks    = 220
)

var ports struct {
	sync.Mutex
	next, end int
	held      []net.Listener
}

// FreePort returns a port at which nobody listens on 127.0.0.1. It returns no port twice, and
// none that another process was given that still runs. It panics where there is none.
func FreePort() int {
	ports.Lock()
	defer ports.Unlock()
	var err error
	for range 10 * blocks {
		if ports.next == ports.end {
			base := firstPort + blockSize*rand.IntN(blocks)
			var owned net.Listener
			if owned, err = listenAt(base); err != nil {
				continue
			}
			ports.held = append(ports.held, owned)
			ports.next, ports.end = base+1, base+blockSize
		}
		port := ports.next
		ports.next++
		var free net.Listener
		if free, err = listenAt(port); err == nil {
			_ = free.Close()
			return port
		}
	}
	panic(fmt.Sprintf("domaintest: no free port: %v", err))
}

func listenAt(port int) (net.Listener, error) {
	return net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}

// FreeRedirect returns a redirect URI with a [FreePort].
func FreeRedirect() string { return fmt.Sprintf("http://localhost:%d/callback", FreePort()) }
