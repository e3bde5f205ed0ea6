package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

func (a *app) statusCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show who is signed in, where, and until when",
		Long: `Show who is signed in, where, and until when, where the tokens are saved, and whether
the clocks agree. The domain is asked only for its time, for two seconds at most.

The exit code is 4 if nobody is signed in; with --json it is 0.`,
		Example: `  oci-oidc-helper status
  oci-oidc-helper status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sessions, err := a.sessions(cmd)
			status := statusReport{
				Status:   opencode.NewStatus(sessions, err, a.log.Path(), helperVersion()),
				Platform: runtime.GOOS + "-" + runtime.GOARCH,
				Clock:    wireTime(time.Now()),
			}
			if err == nil {
				defer sessions.Close()
				tokens := tokens.Open(a.places, sessions.For("").Config())
				status.TokensPath, status.TokensEncrypted, status.TokensPlain = tokens.Path(), tokens.Encrypted(), tokens.WhyPlain()
				if err := tokens.CheckWritable(); err != nil {
					status.Unsavable = problem.From(err).Message
				}
				status.DomainClock = a.domainClock(cmd.Context(), sessions.Config())
				if stopped := context.Cause(cmd.Context()); stopped != nil {
					return problem.From(stopped)
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), status)
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), status.Text(opencode.StatusView{
				Tokens: tokensText(status), Clocks: clocks(status), Version: status.Version + " " + status.Platform,
			}))
			if !status.SignedIn {
				p := problem.New(problem.LoginRequired, "You are not signed in.", `Run "oci-oidc-helper connect".`)
				if status.Problem != nil { // its hint has been shown
					p.Hint = ""
				}
				return p
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// A statusReport is the status with more for a person at the prompt.
type statusReport struct {
	opencode.Status
	TokensPath      string `json:"tokensPath,omitempty"`
	TokensEncrypted bool   `json:"tokensEncrypted,omitempty"` // with a key in the system's keyring
	TokensPlain     string `json:"tokensPlain,omitempty"`     // why they are not encrypted although token_store is auto
	Unsavable       string `json:"unsavable,omitempty"`       // why new tokens cannot be saved
	Platform        string `json:"platform"`
	Clock           string `json:"clock"`
	DomainClock     string `json:"domainClock,omitempty"` // empty if the domain was not reached
}

// domainClock asks the domain for its time, and returns "" if it does not answer.
func (a *app) domainClock(ctx context.Context, config config.Config) string {
	domain, err := domain.New(config, a.log.Logger)
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := domain.Metadata(ctx); err != nil {
		return ""
	}
	return wireTime(time.Now().Add(domain.ClockSkew()))
}

// tokensText says where the tokens are saved, or why they cannot be.
func tokensText(s statusReport) string {
	saved := cmp.Or(s.TokensPath, "in memory only. "+s.Unsavable)
	if s.TokensEncrypted {
		saved += ", encrypted; its key is in the system's keyring"
	}
	if s.TokensPath != "" {
		saved += "\n" + s.TokensPlain + "\n" + s.Unsavable
	}
	return saved
}

// clocks compares this machine's clock with the domain's; a sign-in needs them to agree.
func clocks(s statusReport) string {
	here, _ := time.Parse(time.RFC3339, s.Clock)
	domain, err := time.Parse(time.RFC3339, s.DomainClock)
	switch apart := domain.Sub(here); {
	case err != nil:
		return "here " + here.Format(time.TimeOnly) + " UTC; the domain's is not known, since it does not answer"
	case apart.Abs() < 5*time.Second:
		return "here and at the domain " + here.Format(time.TimeOnly) + " UTC"
	default:
		return fmt.Sprintf("here %s, at the domain %s UTC: %s apart", here.Format(time.TimeOnly), domain.Format(time.TimeOnly), words.Duration(apart.Abs()))
	}
}
