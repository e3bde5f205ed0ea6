package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
)

func (a *app) refreshCommand() *cobra.Command {
	endpoint := ""
	cmd := &cobra.Command{
		Use:     "refresh",
		Short:   "Get a new access token now",
		Example: `  oci-oidc-helper refresh`,
		Args:    cobra.NoArgs,
		RunE: a.withSessions(func(cmd *cobra.Command, sessions *scopes.Sessions) error {
			session, _, err := sessionFor(sessions, endpoint)
			if err != nil {
				return err
			}
			token, err := session.Refresh(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "The token was renewed and is %s.\n", words.Valid(token.ExpiresAt, time.Now()))
			return unsaved(session)
		}),
	}
	endpointFlag(cmd, &endpoint, firstEndpoint)
	return cmd
}

// unsaved returns the problem of a command that could not save its new refresh token, which
// is lost when the command ends, or nil.
func unsaved(session *oidc.Session) error {
	p := session.Unsaved()
	if p == nil || session.Config().AuthMethod.Unattended() { // client credentials need no refresh token
		return nil
	}
	return problem.New(p.Kind, p.Message+" The session ends with this command, since its refresh token is used up.",
		"Correct that, then sign in again with \"oci-oidc-helper connect\".").Because(p)
}
