package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// configTrustCommand asks the person to confirm a project's configuration. Whether that is
// needed is decided by [config.ParseProject].
func (a *app) configTrustCommand() *cobra.Command {
	yes, forget := false, false
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Confirm the configuration that comes with a project",
		Long: `Show what the configuration in the project directory wants, ask, and remember the
answer. Until you confirm it, no secret is read for it, its domain is not asked and
no token is sent to its endpoint. It is to be confirmed again when it changes.

Your own configuration, and one that says the same, needs no confirmation. In CI,
OCI_OIDC_TRUST_PROJECT=DIRECTORY confirms whatever stands in that directory.`,
		Example: `  oci-oidc-helper config trust
  oci-oidc-helper config trust --yes
  oci-oidc-helper config trust --forget`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if forget {
				return a.forget(cmd)
			}
			cfg, err := a.config()
			u := config.AsUnconfirmed(err)
			if u == nil {
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s holds already.\n", cfg.Path)
				}
				return err
			}
			return a.confirm(cmd, u, yes)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm without asking")
	cmd.Flags().BoolVar(&forget, "forget", false, "take back what was confirmed for this project")
	return cmd
}

// confirm shows a person what a project's configuration wants, and asks.
func (a *app) confirm(cmd *cobra.Command, u *config.Unconfirmed, yes bool) error {
	w := cmd.ErrOrStderr()
	changed := ""
	if u.Changed {
		changed = ", and has changed since you confirmed it"
	}
	showConfig(w, u.Config.Path+" comes with this project"+changed+". It", u)
	if !yes && !isTerminal(cmd.InOrStdin()) {
		return problem.New(problem.Untrusted, "Without a terminal nobody can be asked.", "Run it in a terminal, or with --yes if you know what it says.")
	}
	if !yes {
		agreed, err := newAsker(cmd.Context(), cmd.InOrStdin(), w).yes("Do you trust both?")
		if err != nil {
			return err
		}
		if !agreed {
			return problem.New(problem.Untrusted, fmt.Sprintf("%s was not confirmed.", u.Config.Path), "Remove the file if you do not know why it is there.")
		}
	}
	if err := config.Confirm(a.places, u); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s is confirmed, until it changes.\n", u.Config.Path)
	return err
}

// showConfig shows what a configuration of somebody else wants.
func showConfig(w io.Writer, which string, u *config.Unconfirmed) {
	fmt.Fprintf(w, "%s wants to\n\n    sign you in at     %s\n    send tokens to     %s\n\n", which, u.Domain(), u.Endpoint())
	fmt.Fprintf(w, "and says in full:\n\n    %s\n\n", strings.ReplaceAll(strings.TrimSpace(string(u.Config.Redacted())), "\n", "\n    "))
}

func (a *app) forget(cmd *cobra.Command) error {
	directory, err := a.projectDirectory()
	if err != nil {
		return err
	}
	path := filepath.Join(directory, config.Name)
	found, err := config.Forget(a.places, path)
	if err != nil {
		return err
	}
	said := "Nothing was confirmed for"
	if found {
		said = "It is no longer confirmed:"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", said, path)
	return err
}
