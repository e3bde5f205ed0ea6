package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
)

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Sign out: revoke the session at the domain and erase it here",
		Long: `Revoke the refresh token at the identity domain and erase what is saved here. An
access token that was handed out before lives until it expires.`,
		Example: `  oci-oidc-helper logout`,
		Args:    cobra.NoArgs,
		RunE: a.withSession(func(cmd *cobra.Command, session *oidc.Session) error {
			before := session.Status()
			revoked, err := session.Disconnect(cmd.Context())
			switch {
			case err != nil:
				return err
			case !before.SignedIn:
				fmt.Fprintln(cmd.ErrOrStderr(), "You were not signed in.")
			case revoked:
				fmt.Fprintln(cmd.ErrOrStderr(), "Signed out, here and at the domain.")
			case !before.Refreshable:
				fmt.Fprintln(cmd.ErrOrStderr(), "Signed out here. There was no refresh token to revoke; the access token lives until it expires.")
			default:
				fmt.Fprintln(cmd.ErrOrStderr(), "Signed out here. The domain did not confirm it; the log says why.")
			}
			return nil
		}),
	}
}
