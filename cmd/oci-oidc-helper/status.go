package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc"
)

func (a *app) statusCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show who is signed in, where, and until when",
		Example: `  oci-oidc-helper status
  oci-oidc-helper status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := a.session(cmd)
			status := rpc.NewStatusResult(session, err, a.log.Path(), helperVersion())
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(status)
			}
			if err != nil {
				return err
			}
			showStatus(cmd.OutOrStdout(), status)
			if !status.SignedIn {
				return problem.New(problem.LoginRequired, "You are not signed in.", `Run "oci-oidc-helper connect".`)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func showStatus(w io.Writer, s rpc.StatusResult) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, value)
		}
	}
	row("Signed in", signedIn(s))
	row("Token", tokenLife(s.ExpiresAt))
	row("Refresh", refreshing(s))
	row("Domain", s.Domain)
	row("Endpoint", s.Endpoint)
	row("Method", s.AuthMethod)
	row("Configuration", s.ConfigPath)
	row("Log", s.LogPath)
	row("Version", s.Version)
	if s.Problem != nil {
		row("Problem", s.Problem.Message)
		row("", s.Problem.Hint)
	}
	_ = table.Flush()
}

func signedIn(s rpc.StatusResult) string {
	if !s.SignedIn {
		return "no"
	}
	return "yes, as " + s.Subject
}

func tokenLife(expiresAt *time.Time) string {
	switch {
	case expiresAt == nil:
		return ""
	case time.Now().Before(*expiresAt):
		return fmt.Sprintf("valid for %s, until %s", words(time.Until(*expiresAt)), clock(*expiresAt))
	default:
		return "expired at " + clock(*expiresAt)
	}
}

func refreshing(s rpc.StatusResult) string {
	switch {
	case !s.SignedIn:
		return ""
	case s.Refreshable:
		return "by itself"
	default:
		return "not possible: there is no refresh token"
	}
}

// clock is a time as a person reads it, today without the date.
func clock(t time.Time) string {
	t = t.Local()
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2 January 15:04")
}

// words is a duration as a person says it.
func words(d time.Duration) string {
	if d = d.Round(time.Second); d < time.Minute {
		return fmt.Sprintf("%d s", d/time.Second)
	}
	if d = d.Round(time.Minute); d < time.Hour {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}
