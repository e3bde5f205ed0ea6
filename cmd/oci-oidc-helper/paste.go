package main

import (
	"bufio"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
)

// readPasted hands over what a person pastes, a line each, until one is right.
func readPasted(cmd *cobra.Command, session *oidc.Session) {
	lines := bufio.NewScanner(cmd.InOrStdin())
	for lines.Scan() {
		err := session.Answer(cmd.Context(), lines.Text())
		if err == nil {
			return
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%v\n", err)
	}
}
