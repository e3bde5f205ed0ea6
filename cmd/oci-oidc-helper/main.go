// Command oci-oidc-helper signs a person in at an OCI IAM identity domain and
// hands out access tokens: to the OpenCode plugin over JSON-RPC with --stdio, and
// to a person or another program at the prompt.
//
// This package only connects the other packages: it has one file for each command.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// The exit codes.
const (
	exitOK      = 0
	exitProblem = 1   // any problem not named below
	exitUsage   = 2   // the command line or the configuration is wrong
	exitSignIn  = 4   // a sign-in is needed, or was refused
	exitSignal  = 128 // and the number of the signal that stopped the command
)

func main() {
	keepPrivate()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{places: store.FindPlaces()}
	a.log = logging.Open(a.places.LogFile)
	defer a.log.Close()

	ctx := endedBy(endSignals...)
	out := &output{Writer: stdout}
	root := a.rootCommand(args)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if lost := out.problem(); lost != nil && errors.As(err, new(*problem.Problem)) {
		report(stderr, lost)
	} else if lost != nil {
		err = lost
	}
	if err == nil {
		return exitOK
	}
	code := report(stderr, err)
	if stop := (interruption{}); errors.As(context.Cause(ctx), &stop) && problem.Is(err, problem.Cancelled) {
		code = stop.exitCode()
	}
	return code
}

// report prints an error with its next step, and returns the exit code for it.
func report(stderr io.Writer, err error) int {
	var p *problem.Problem
	if !errors.As(err, &p) {
		fmt.Fprintf(stderr, "oci-oidc-helper: %v\nRun \"oci-oidc-helper --help\" for the commands.\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "oci-oidc-helper: %s\n", p.Message)
	if p.Hint != "" {
		fmt.Fprintf(stderr, "→ %s\n", p.Hint)
	}
	switch p.Kind {
	case problem.Config, problem.Untrusted:
		return exitUsage
	case problem.LoginRequired, problem.LoginDenied, problem.LoginTimeout:
		return exitSignIn
	default:
		return exitProblem
	}
}

// app holds what all commands share.
type app struct {
	places    store.Places
	log       *logging.Log
	directory string // the project directory, whose configuration is used
	verbose   bool
}

// rootCommand returns the root with only the command that args name, or with all commands
// if args name none, for help and completions. Building all of them takes a tenth of the
// time in which the command token prints a token.
func (a *app) rootCommand(args []string) *cobra.Command {
	stdio := false
	root := &cobra.Command{
		Use:   "oci-oidc-helper",
		Short: "Sign in at an OCI IAM identity domain, and get tokens for your company's models",
		Long: `oci-oidc-helper signs you in at your company's OCI IAM identity domain and keeps
a valid access token for the language models behind it. OpenCode's plugin
opencode-oci-oidc runs it with --stdio; the commands below are for you.

The configuration is oci-auth.config.jsonc in the project directory, else in
OpenCode's own configuration directory.

Exit codes: 0 done, 1 any other problem, 2 wrong usage or configuration, 4 sign-in
needed or refused, 128 and the number of the signal that stopped the command.`,
		Example: `  oci-oidc-helper connect
  oci-oidc-helper status
  echo '{"jsonrpc":"2.0","id":1,"method":"status"}' | oci-oidc-helper --stdio`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if !stdio {
				sayWhyItGoesOn(cmd.Context(), cmd.ErrOrStderr())
			}
			if a.directory == "" {
				return nil
			}
			why := "is a file"
			info, err := os.Stat(a.directory)
			if err != nil {
				why = regular.Why(err)
			} else if info.IsDir() {
				return nil
			}
			return problem.New(problem.Config, fmt.Sprintf("The directory %s, named with -C, %s.", a.directory, why), "Name the project directory.").Because(err)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stdio {
				return a.stdio(cmd)
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVar(&stdio, "stdio", false, "speak JSON-RPC on standard input and output")
	root.PersistentFlags().StringVarP(&a.directory, "directory", "C", "", "the project `directory` (default: the current one)")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "show the log on standard error")
	commands := map[string]func() *cobra.Command{
		"init": a.initCommand, "connect": a.connectCommand, "status": a.statusCommand, "token": a.tokenCommand,
		"refresh": a.refreshCommand, "models": a.modelsCommand, "logout": a.logoutCommand, "doctor": a.doctorCommand,
		"config": a.configCommand, "gateway": a.gatewayCommand, "logs": a.logsCommand, "version": a.versionCommand,
	}
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	command, named := commands[first]
	switch {
	case named:
		root.AddCommand(command())
		root.CompletionOptions.DisableDefaultCmd = true
	case first != "--stdio":
		for _, command := range commands {
			root.AddCommand(command())
		}
		root.AddCommand(manualCommand())
		root.InitDefaultHelpCmd()
		help, _, _ := root.Find([]string{"help"})
		help.Args = func(_ *cobra.Command, args []string) error {
			about, rest, _ := root.Find(args)
			return cobra.NoArgs(about, rest)
		}
	}
	showHelp := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if out, ok := cmd.OutOrStdout().(*output); ok {
			out.help = true
		}
		showHelp(cmd, args)
	})
	return root
}

// sessions opens the sessions of the project directory for a command.
func (a *app) sessions(cmd *cobra.Command) (*scopes.Sessions, error) {
	config, err := a.config()
	if err != nil {
		a.log.Warn("no usable configuration", "problem", problem.From(err))
		return nil, err
	}
	a.log.Configure(config.LogLevel, config.LogFile, config.LogBound)
	if wrong := logging.Check(config.LogFile); wrong != "" && config.LogLevel != logging.LevelNone {
		fmt.Fprintf(cmd.ErrOrStderr(), "oci-oidc-helper: %s Name another place with log_file.\n", wrong)
	}
	return scopes.Open(config, a.places, a.logger(cmd))
}

// firstEndpoint is the one that a command is about without --endpoint.
const firstEndpoint = "without it that of llm_base_url"

// endpointFlag is the ID of the endpoint whose session a command is about.
func endpointFlag(cmd *cobra.Command, id *string, otherwise string) {
	cmd.Flags().StringVar(id, "endpoint", "", "the endpoint of this `NAME` in endpoints; "+otherwise)
}

// session opens the session whose token an endpoint takes, for a command; no ID is the
// endpoint of llm_base_url.
func (a *app) session(cmd *cobra.Command, id string) (*oidc.Session, config.Endpoint, error) {
	sessions, err := a.sessions(cmd)
	if err != nil {
		return nil, config.Endpoint{}, err
	}
	return sessionFor(sessions, id)
}

func sessionFor(sessions *scopes.Sessions, id string) (*oidc.Session, config.Endpoint, error) {
	c := sessions.Config()
	e, ok := c.Endpoint(config.Endpoint{ID: id}.Provider())
	if !ok {
		return nil, e, problem.New(problem.Config, fmt.Sprintf("The configuration %s has no endpoint called %q.", c.Source("endpoints"), id),
			`Use a name that stands under endpoints there; "oci-oidc-helper config show" shows them.`)
	}
	return sessions.For(e.Provider()), e, nil
}

// withSessions returns the function of a command that needs the sessions of the project
// directory.
func (a *app) withSessions(run func(*cobra.Command, *scopes.Sessions) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		sessions, err := a.sessions(cmd)
		if err != nil {
			return err
		}
		defer sessions.Close()
		return run(cmd, sessions)
	}
}

// logger returns the log of a command, which --verbose also shows on standard error.
func (a *app) logger(cmd *cobra.Command) *slog.Logger {
	log := a.log.Logger
	if a.verbose {
		log = a.log.AlsoTo(cmd.ErrOrStderr(), slog.LevelDebug, coloured(cmd.ErrOrStderr()))
	}
	level := slog.LevelInfo
	if cmd.Name() == "token" { // other programs run it often
		level = slog.LevelDebug
	}
	log.Log(context.Background(), level, "command begins", "command", cmd.Name(), "version", helperVersion())
	return log
}
