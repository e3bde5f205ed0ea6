package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
)

func (a *app) connectCommand() *cobra.Command {
	var (
		flow      string
		noBrowser bool
	)
	cmd := &cobra.Command{
		Use:   "connect",
		Short: "Sign in",
		Long: `Sign in at the identity domain. Without --flow, a confidential_app signs in with
the browser and a mobile_app with a code that you enter on any device.`,
		Example: `  oci-oidc-helper connect
  oci-oidc-helper connect --flow device --no-browser`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := a.session(cmd)
			if err != nil {
				return err
			}
			defer session.Close()
			if flow == string(oidc.Paste) {
				go readPasted(cmd, session)
			}
			status, err := session.Connect(cmd.Context(), oidc.ConnectOptions{
				Flow:        oidc.Flow(flow),
				OpenBrowser: !noBrowser,
				Prompt:      func(p oidc.Prompt) { showPrompt(cmd.ErrOrStderr(), p) },
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Signed in as %s.\n", status.Subject)
			if !status.Refreshable {
				fmt.Fprintf(cmd.ErrOrStderr(), "The session ends at %s, without a refresh token. %s\n",
					clock(status.ExpiresAt), oidc.RefreshSwitches)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&flow, "flow", "", "how: browser, device or paste")
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "only show the address")
	return cmd
}

func showPrompt(w io.Writer, p oidc.Prompt) {
	minutes := time.Until(p.ExpiresAt).Round(time.Minute)
	switch {
	case p.Flow == oidc.Device:
		fmt.Fprintf(w, "Open %s on any device and enter the code\n\n    %s\n\n", p.URL, p.UserCode)
	case p.Flow == oidc.Paste:
		fmt.Fprintf(w, "Open this address in any browser and sign in:\n\n%s\n\n"+
			"The browser then cannot open the last page. Paste its whole address here: ", p.URL)
		return
	case p.BrowserOpened:
		fmt.Fprintf(w, "Your browser opens. If it does not, open\n\n    %s\n\n", p.URL)
	default:
		fmt.Fprintf(w, "Open this address in a browser on this machine:\n\n    %s\n\n", p.URL)
	}
	fmt.Fprintf(w, "Waiting for you; this is good for %s.\n", words(minutes))
}
