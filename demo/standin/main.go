// Command standin runs the stand-in identity domain and LLM endpoint as a process
// of its own, for the demo, for tests in other languages, and to try things by
// hand:
//
//	go run ./demo/standin -auto-approve
//
// It prints one line of JSON that tells where everything is, and ends at the end
// of its standard input or on SIGTERM. Its control address takes commands:
//
//	curl -H 'Content-Type: application/json' -d '{"advance":3600}' http://127.0.0.1:PORT/control
//
// [domaintest.Command] lists them.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// addresses is the line that the command prints.
type addresses struct {
	DomainURL  string   `json:"domain_url"`
	LLMBaseURL string   `json:"llm_base_url"`
	ControlURL string   `json:"control_url"`
	Issuer     string   `json:"issuer"`
	Scope      string   `json:"scope"` // the resource's, to be asked for beside openid and offline_access
	Model      string   `json:"model"`
	Clients    []client `json:"clients"`
	UserName   string   `json:"user_name"`
	Password   string   `json:"password"`
}

type client struct {
	ID           string   `json:"client_id"`
	Secret       string   `json:"client_secret,omitempty"`
	RedirectURIs []string `json:"redirect_uris"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or stdin does.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	options, controlAddr, redirects := parse(args)
	server, err := domaintest.Start(options)
	if err != nil {
		return err
	}
	defer server.Close()
	for _, uri := range redirects {
		server.AllowRedirect(domaintest.ConfidentialClient, uri)
		server.AllowRedirect(domaintest.MobileClient, uri)
	}
	listener, err := net.Listen("tcp", controlAddr)
	if err != nil {
		return err
	}
	control := &http.Server{Handler: server.Control(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = control.Serve(listener) }()
	defer func() { _ = control.Close() }()

	if err := json.NewEncoder(stdout).Encode(describe(server, listener.Addr())); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-ended(stdin):
	}
	return nil
}

// parse reads the flags, and ends the program if they are wrong.
func parse(args []string) (options domaintest.Options, controlAddr string, redirects []string) {
	flags := flag.NewFlagSet("standin", flag.ExitOnError)
	flags.StringVar(&options.DomainAddr, "domain", "127.0.0.1:0", "`address` of the identity domain")
	flags.StringVar(&options.EndpointAddr, "endpoint", "127.0.0.1:0", "`address` of the LLM endpoint")
	flags.StringVar(&controlAddr, "control", "127.0.0.1:0", "`address` of the control API")
	flags.StringVar(&options.Issuer, "issuer", domaintest.GenericIssuer, "`issuer` of the domain")
	flags.IntVar(&options.ExpiresIn, "expires-in", 3600, "life of an access token in `seconds`")
	flags.BoolVar(&options.PublicSigningKeys, "public-keys", false, "let everybody read the signing keys")
	flags.BoolVar(&options.AutoApprove, "auto-approve", false, "sign in without a person")
	flags.BoolVar(&options.AutoApproveDevices, "auto-approve-devices", false, "allow device codes as they are issued")
	flags.Func("redirect", "one more redirect `URI` for every client, or free for one at a free port; may be repeated", func(uri string) error {
		if uri == "free" {
			uri = domaintest.FreeRedirect()
		}
		redirects = append(redirects, uri)
		return nil
	})
	_ = flags.Parse(args) // does not return an error
	return options, controlAddr, redirects
}

// describe tells where everything is.
func describe(server *domaintest.Server, control net.Addr) addresses {
	options := server.Options()
	line := addresses{
		DomainURL:  server.URL,
		LLMBaseURL: server.LLMBaseURL,
		ControlURL: "http://" + control.String() + "/control",
		Issuer:     options.Issuer,
		Scope:      domaintest.DefaultScope,
		Model:      options.Models[0],
		UserName:   options.Users[0].Name,
		Password:   options.Users[0].Password,
	}
	for _, c := range options.Clients {
		line.Clients = append(line.Clients, client{c.ID, c.Secret, c.RedirectURIs})
	}
	return line
}

// ended returns a channel that is closed when from has nothing more to give.
func ended(from io.Reader) <-chan struct{} {
	end := make(chan struct{})
	go func() {
		defer close(end)
		_, _ = io.Copy(io.Discard, from)
	}()
	return end
}
