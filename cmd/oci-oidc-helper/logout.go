package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
)

func (a *app) logoutCommand() *cobra.Command {
	chosen := ""
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Sign out: revoke the session at the domain and erase it here",
		Long: `Revoke the refresh token at the identity domain and erase what is saved here. An
access token that was handed out before lives until it expires.`,
		Example: `  oci-oidc-helper logout`,
		Args:    cobra.NoArgs,
		RunE: a.withSessions(func(cmd *cobra.Command, sessions *scopes.Sessions) error {
			ended := sessions.All()
			if chosen != "" {
				one, _, err := sessionFor(sessions, chosen)
				if err != nil {
					return err
				}
				ended = []*oidc.Session{one}
			}
			var failed error // the first: the other sessions end all the same
			for _, session := range ended {
				said, err := signOut(cmd.Context(), session)
				if failed = cmp.Or(failed, err); err == nil {
					if c := session.Config(); c.Session != "" {
						said = endpoint.IDs(c.Others) + ": " + said
					}
					fmt.Fprintln(cmd.ErrOrStderr(), said)
				}
			}
			return failed
		}),
	}
	endpointFlag(cmd, &chosen, "without it all sessions end")
	return cmd
}

// signOut ends a session and says how.
func signOut(ctx context.Context, session *oidc.Session) (said string, err error) {
	before := session.Status()
	revoked, err := session.Disconnect(ctx)
	switch {
	case err != nil:
		return "", err
	case !before.SignedIn:
		return "You were not signed in.", nil
	case revoked:
		return "Signed out, here and at the domain.", nil
	case !before.Refreshable:
		return "Signed out here. There was no refresh token to revoke; the access token lives until it expires.", nil
	default:
		return "Signed out here. The domain did not confirm it; the log says why.", nil
	}
}
