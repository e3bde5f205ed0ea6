package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

func (a *app) connectCommand() *cobra.Command {
	var (
		flow      string
		noBrowser bool
		endpoint  string
	)
	cmd := &cobra.Command{
		Use:   "connect",
		Short: "Sign in",
		Long: `Sign in at the identity domain. Without --flow, the configuration's sign_in decides.
Without that, too, a confidential_app signs in with the browser; a mobile_app does with
a code that you enter on any device, and so does everybody where no browser can be
opened: over SSH, in a container, in CI.

An endpoint with a scope of its own has a session of its own, to which --endpoint signs
in; where the domain still knows you, it asks for no password then.`,
		Example: `  oci-oidc-helper connect
  oci-oidc-helper connect --flow device --no-browser`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, _, err := a.session(cmd, endpoint)
			if u := config.AsUnconfirmed(err); u != nil && isTerminal(cmd.InOrStdin()) {
				if err = a.confirm(cmd, u, false); err == nil {
					session, _, err = a.session(cmd, endpoint)
				}
			}
			if err != nil {
				return err
			}
			defer session.Close()
			// Checked first, so that nobody signs in for tokens that cannot be saved.
			if !session.Config().AuthMethod.Unattended() {
				if err := tokens.Open(a.places, session.Config()).CheckWritable(); err != nil {
					return err
				}
			}
			status, err := a.connect(cmd, session, oidc.ConnectOptions{Flow: signin.Flow(flow), OpenBrowser: !noBrowser})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s.\n", strings.TrimSuffix("Signed in as "+status.Subject, " as "))
			a.learnModels(cmd, session)
			if !status.Refreshable {
				fmt.Fprintf(cmd.ErrOrStderr(), "The session ends at %s, without a refresh token. %s\n",
					words.Clock(status.ExpiresAt, time.Now()), oidc.RefreshSwitches)
			}
			a.nameOthers(cmd.ErrOrStderr(), session.Config().Session)
			return nil
		},
	}
	cmd.Flags().StringVar(&flow, "flow", "", "how: browser, device or paste")
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "only show the address")
	endpointFlag(cmd, &endpoint, firstEndpoint)
	return cmd
}

// nameOthers names the sign-ins that are missing after one: each session has its own.
func (a *app) nameOthers(w io.Writer, signedIn string) {
	config, err := a.config()
	if err != nil {
		return // it has changed since
	}
	sessions, err := scopes.Open(config, a.places, a.log.Logger)
	if err != nil {
		return
	}
	defer sessions.Close()
	for _, other := range sessions.All()[1:] {
		if c := other.Config(); c.Session != signedIn && !other.Status().SignedIn {
			fmt.Fprintf(w, "Another session is for %s: \"oci-oidc-helper connect --endpoint %s\" signs in there.\n", endpoint.Named(c.Others), c.Session)
		}
	}
}

// connect signs in. It shows the prompt on standard error, and at a terminal also the
// remaining time and a QR code.
func (a *app) connect(cmd *cobra.Command, session *oidc.Session, o oidc.ConnectOptions) (oidc.Status, error) {
	w := cmd.ErrOrStderr()
	ctx, giveUp := context.WithCancelCause(cmd.Context())
	defer giveUp(nil)
	stop := func() {}
	o.Prompt = func(p signin.Prompt) {
		if p.Flow == signin.Paste { // no countdown: the person types on this line
			in, restore := pasteInput(cmd.InOrStdin(), w)
			stop = restore
			showPrompt(w, p)
			go readPasted(cmd, session, in, giveUp)
			return
		}
		showPrompt(w, p)
		switch {
		case isTerminal(w) && !a.verbose:
			if p.Flow == signin.Device {
				showQR(w, cmp.Or(p.CompleteURL, p.URL))
			}
			stop = countdown(w, p.ExpiresAt)
		default:
			fmt.Fprintf(w, "Waiting for you; this is good for %s.\n", words.Duration(time.Until(p.ExpiresAt)))
		}
	}
	status, err := session.Connect(ctx, o)
	stop()
	return status, err
}

func showPrompt(w io.Writer, p signin.Prompt) {
	switch {
	case p.Flow == signin.Device:
		fmt.Fprintf(w, "Open %s on any device and enter the code\n\n    %s\n\n", p.URL, p.UserCode)
	case p.Flow == signin.Paste:
		fmt.Fprintf(w, "Open this address in any browser and sign in:\n\n%s\n\n"+
			"The browser then cannot open the last page. Paste its whole address here: ", p.URL)
	case p.BrowserOpened:
		fmt.Fprintf(w, "Your browser opens. If it does not, open\n\n    %s\n\n", p.URL)
	default:
		fmt.Fprintf(w, "Open this address in a browser on this machine:\n\n    %s\n\n", p.URL)
	}
}
