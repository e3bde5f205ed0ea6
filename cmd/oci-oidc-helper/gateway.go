package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/gateway"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

func (a *app) gatewayCommand() *cobra.Command {
	port := 0
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Serve the endpoint on this machine, for programs that only take a base URL and a key",
		Long: `Serve the endpoint's models at an address on this machine, for programs that take a
base URL and an API key and nothing else. Every request gets your token; the key is the
gateway's own, and no other program needs your session.

It runs until ^C. "gateway install" runs it in the background whenever you are logged in.`,
		Example: `  oci-oidc-helper gateway key
  oci-oidc-helper gateway
  oci-oidc-helper gateway install`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serveGateway(cmd, port) },
	}
	cmd.Flags().IntVar(&port, "port", 0, "the `port` from now on (default: the one of the last time)")
	cmd.AddCommand(a.gatewayKeyCommand(), a.gatewayInstallCommand(), a.gatewayStatusCommand(), a.gatewayRemoveCommand())
	return cmd
}

func (a *app) serveGateway(cmd *cobra.Command, port int) error {
	settings, err := gateway.LoadSettings(a.places)
	if err != nil {
		return err
	}
	if settings.Key == "" {
		return noGatewayKey()
	}
	g := &gatewayServer{app: a, cmd: cmd}
	defer g.close()
	if _, err := g.current(); err != nil { // fails at the start rather than at the first request
		return err
	}
	if port == 0 {
		port = settings.Port
	}
	listeners, port, err := gateway.Listen(port)
	if err != nil {
		return err
	}
	if port != settings.Port {
		if _, err := gateway.UpdateSettings(a.places, func(s *gateway.Settings) { s.Port = port }); err != nil {
			return err
		}
	}
	a.log.Info("the gateway answers", "url", gateway.BaseURL(port, ""))
	fmt.Fprintf(cmd.ErrOrStderr(), "The gateway answers at %s; ^C ends it.\n", gateway.BaseURL(port, ""))
	a.otherAddresses(cmd.ErrOrStderr(), port)
	return gateway.Serve(cmd.Context(), g, listeners...)
}

// A gatewayServer reads the configuration at each request, so that a change takes effect
// without a restart, also of the certificates that it names. While the configuration is
// invalid or not confirmed, every request is refused.
type gatewayServer struct {
	app *app
	cmd *cobra.Command

	mu           sync.Mutex
	sessions     *scopes.Sessions
	handler      http.Handler // for sessions and certificates; nil if these cannot be used
	certificates string       // the [network.Settings.Stamp] of the files that handler uses

	closing sync.WaitGroup // sessions that were replaced: each finishes a refresh that it has sent
}

// ServeHTTP checks the caller first: the text of a problem is for those that have the key.
func (g *gatewayServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	settings, err := gateway.LoadSettings(g.app.places)
	if err != nil { // no key matches, and "gateway key" says why
		g.app.log.Warn("the gateway's key cannot be read", "problem", problem.From(err))
	}
	gateway.Admit(settings.Key, http.HandlerFunc(g.serve)).ServeHTTP(w, r)
}

func (g *gatewayServer) serve(w http.ResponseWriter, r *http.Request) {
	handler, err := g.current()
	if err != nil {
		gateway.Refuse(w, problem.From(err))
		return
	}
	handler.ServeHTTP(w, r)
}

func (g *gatewayServer) current() (http.Handler, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	config, err := g.app.config()
	if err != nil {
		return nil, err
	}
	if g.sessions == nil || !g.sessions.Config().Equal(config) {
		sessions, err := g.app.sessions(g.cmd)
		if err != nil {
			return nil, err
		}
		if g.sessions != nil {
			g.closing.Go(g.sessions.Close)
		}
		g.sessions, g.handler = sessions, nil
	}
	if stamp := config.Network.Stamp(); g.handler == nil || g.certificates != stamp {
		g.handler, g.certificates = nil, stamp
		if g.handler, err = g.open(g.sessions); err != nil {
			return nil, err
		}
	}
	return g.handler, nil
}

func (g *gatewayServer) open(sessions *scopes.Sessions) (http.Handler, error) {
	var endpoints []gateway.Endpoint
	for _, session := range sessions.All() {
		token := func(ctx context.Context, rejected string) (secret.Text, error) {
			token, err := session.Token(ctx, rejected)
			return token.Access, err
		}
		another := func(ctx context.Context, doubted string) (secret.Text, error) {
			token, err := session.Another(ctx, doubted)
			return token.Access, err
		}
		for _, e := range session.Config().Endpoints() {
			base, err := url.Parse(e.BaseURL)
			if err != nil {
				return nil, err
			}
			endpoints = append(endpoints, gateway.Endpoint{
				ID: e.ID, BaseURL: base, Network: session.Config().Network, Token: token, Another: another,
			})
		}
	}
	return gateway.New(endpoints, g.app.log.Logger)
}

// otherAddresses prints the gateway's addresses for the endpoints other than llm_base_url.
func (a *app) otherAddresses(w io.Writer, port int) {
	config, err := a.config()
	if err != nil {
		return // each request is answered with this error
	}
	for _, e := range config.Others {
		fmt.Fprintf(w, "The endpoint %s is at %s.\n", e.ID, gateway.BaseURL(port, e.ID))
	}
}

func (g *gatewayServer) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sessions != nil {
		g.sessions.Close()
	}
	g.closing.Wait()
}

func (a *app) gatewayKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Make a new key for the gateway, and print it once",
		Long: `Make a new key for the gateway and print it, this once: only its hash is kept. The key
before it is refused from now on.`,
		Example: `  oci-oidc-helper gateway key`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key := gateway.NewKey()
			settings, err := gateway.UpdateSettings(a.places, func(s *gateway.Settings) { s.Key = gateway.KeyOf(key) })
			if err != nil {
				return err
			}
			if settings.Port != 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "For the base URL %s:\n", gateway.BaseURL(settings.Port, ""))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Reveal())
			return err
		},
	}
}

func (a *app) gatewayStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show where the gateway answers, and whether it does",
		Example: `  oci-oidc-helper gateway status`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := gateway.LoadSettings(a.places)
			switch {
			case err != nil:
				return err
			case settings.Key == "":
				return noGatewayKey()
			case settings.Port == 0 || !listens(settings.Port):
				return problem.New(problem.Network, "The gateway is not running.", `Run "oci-oidc-helper gateway", or "oci-oidc-helper gateway install".`)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The gateway answers at %s.\n", gateway.BaseURL(settings.Port, ""))
			a.otherAddresses(cmd.OutOrStdout(), settings.Port)
			return err
		},
	}
}

func noGatewayKey() *problem.Problem {
	return problem.New(problem.Config, "The gateway has no key yet.", `Make one with "oci-oidc-helper gateway key".`)
}

func listens(port int) bool {
	connection, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
	if err == nil {
		_ = connection.Close()
	}
	return err == nil
}

func (a *app) gatewayInstallCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "install",
		Short: "Run the gateway whenever you are logged in",
		Long: `Run the gateway in the background whenever you are logged in: as a user service of
systemd, an agent of launchd, or a task of the Task Scheduler. It does not have the
variables of your shell.`,
		Example: `  oci-oidc-helper gateway install`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := gateway.LoadSettings(a.places)
			if err == nil && settings.Key == "" {
				err = noGatewayKey()
			}
			if err != nil {
				return err
			}
			service, err := a.gatewayService()
			if err != nil {
				return err
			}
			if service.File != "" {
				err := os.MkdirAll(filepath.Dir(service.File), 0o700)
				if err == nil {
					err = os.WriteFile(service.File, []byte(service.Text), 0o600)
				}
				if err != nil {
					return store.NotWritten(service.File+" cannot be written", err)
				}
			}
			if err := runAll(cmd.Context(), service.Manager, service.Begin); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "The gateway runs under %s from now on; \"oci-oidc-helper gateway remove\" ends that.\n", service.Manager)
			return nil
		},
	}
}

func (a *app) gatewayRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove",
		Short:   "Run the gateway in the background no longer",
		Example: `  oci-oidc-helper gateway remove`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			service, err := a.gatewayService()
			if err != nil {
				return err
			}
			err = runAll(cmd.Context(), service.Manager, service.End)
			if service.File != "" {
				if removed := os.Remove(service.File); removed != nil && !os.IsNotExist(removed) {
					return store.NotWritten(service.File+" cannot be removed", removed)
				}
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "The gateway no longer runs in the background.")
			return nil
		},
	}
}

func (a *app) gatewayService() (gateway.Service, error) {
	program, err := os.Executable()
	if err != nil {
		return gateway.Service{}, err
	}
	uid := ""
	if me, err := user.Current(); err == nil {
		uid = me.Uid
	}
	return gateway.ServiceFor(runtime.GOOS, a.places.Home, program, uid)
}

// runAll runs commands one after the other and stops at the first that fails.
func runAll(ctx context.Context, manager string, commands [][]string) error {
	for _, command := range commands {
		output, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		if err != nil {
			return problem.New(problem.Config, fmt.Sprintf("%s failed to run %s: %s.", manager, strings.Join(command, " "), strings.TrimSpace(string(output))),
				`Run "oci-oidc-helper gateway" by a means of your own.`).Because(err)
		}
	}
	return nil
}
