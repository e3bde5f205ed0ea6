// Command zitadel is zitadel/oidc's own example server on a loopback port, with
// clients that redirect to where it is told.
//
// The first line of standard input is a JSON object {redirect}. It prints
// {"url": …} when it listens, and ends at the end of standard input.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// people are known by their names, too: the example's device flow takes the name for
// the ID, and then does not find it.
type people struct{ storage.UserStore }

func (p people) GetUserByID(id string) *storage.User {
	if user := p.UserStore.GetUserByID(id); user != nil {
		return user
	}
	return p.GetUserByUsername(id)
}

func main() {
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadBytes('\n')
	var setup struct{ Redirect string }
	if err == nil {
		err = json.Unmarshal(line, &setup)
	}
	if err != nil {
		log.Fatal(err)
	}
	storage.RegisterClients(
		storage.NativeClient("public", setup.Redirect),
		storage.WebClient("confidential", "secret", setup.Redirect),
		storage.DeviceClient("device", "secret"),
	)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	url := fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	store := storage.NewStorage(people{storage.NewUserStore(url + "/")})
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	go func() { log.Fatal(http.Serve(listener, exampleop.SetupServer(url+"/", store, logger, false))) }()
	fmt.Printf("{\"url\": %q}\n", url)
	_, _ = io.Copy(io.Discard, input)
}
