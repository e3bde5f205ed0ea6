package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) refreshCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "refresh",
		Short:   "Get a new access token now",
		Example: `  oci-oidc-helper refresh`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := a.session(cmd)
			if err != nil {
				return err
			}
			defer session.Close()
			token, err := session.Refresh(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Refreshed: valid for %s, until %s.\n",
				words(time.Until(token.ExpiresAt)), clock(token.ExpiresAt))
			return nil
		},
	}
}
