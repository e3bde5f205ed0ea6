package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) tokenCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "token",
		Short: "Print a valid access token, for other programs",
		Long: `Print a valid access token, refreshed if need be. It never asks and never opens a
browser: without a session it ends with exit code 4.`,
		Example: `  curl -H "Authorization: Bearer $(oci-oidc-helper token)" https://llm.example.com/v1/models`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := a.session(cmd)
			if err != nil {
				return err
			}
			defer session.Close()
			token, err := session.Token(cmd.Context(), "")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token.Access.Reveal())
			return err
		},
	}
}
