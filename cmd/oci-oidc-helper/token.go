package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
)

func (a *app) tokenCommand() *cobra.Command {
	var o tokenOptions
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a valid access token, for other programs",
		Long: `Print a valid access token, refreshed if need be. It never asks and never opens a
browser: without a session it ends with exit code 4. With --connect it signs in
then, and shows how on standard error.

Other programs keep what they are given, so a token that is valid for less than
--min-life, or for less than half of its lifetime if that is shorter, is refreshed
first. Where it is printed with less than a --min-life that was given, standard
error says why.

Formats:
  raw              the token alone, as a helper for API keys prints it
  header           a header of HTTP, for curl -H @-
  json             accessToken, tokenType, expiresAt
  env              OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_API_BASE, for a
                   shell's eval
  exec-credential  an ExecCredential (client.authentication.k8s.io/v1), as kubectl
                   and others take it from a credential plugin; v1beta1 where
                   KUBERNETES_EXEC_INFO asks for that`,
		Example: `  curl -H "Authorization: Bearer $(oci-oidc-helper token)" https://llm.example.com/v1/models
  oci-oidc-helper token --format header | curl -H @- https://llm.example.com/v1/models
  eval "$(oci-oidc-helper token --format env)"
  oci-oidc-helper token --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.printToken(cmd, o) },
	}
	cmd.Flags().StringVar(&o.format, "format", "raw", "raw, header, json, env or exec-credential")
	cmd.Flags().DurationVar(&o.minLife, "min-life", 5*time.Minute, "how long the token is to be valid at least")
	cmd.Flags().BoolVar(&o.connect, "connect", false, "sign in where there is no session")
	endpointFlag(cmd, &o.endpoint, firstEndpoint)
	return cmd
}

// tokenOptions are the flags of the command.
type tokenOptions struct {
	format, endpoint string
	minLife          time.Duration
	connect          bool
}

func (a *app) printToken(cmd *cobra.Command, o tokenOptions) error {
	if o.minLife < 0 {
		return problem.New(problem.Config, fmt.Sprintf("--min-life is %s, which is negative.", o.minLife), "Write a duration such as 90s or 10m.")
	}
	show, ok := tokenFormats[o.format]
	if !ok {
		return problem.New(problem.Config, fmt.Sprintf("There is no format called %q.", o.format),
			"Use raw, header, json, env or exec-credential.")
	}
	session, e, err := a.session(cmd, o.endpoint)
	if err != nil {
		return err
	}
	defer session.Close()
	token, err := session.TokenFor(cmd.Context(), o.minLife)
	if o.connect && token.Access.Empty() && problem.Is(err, problem.LoginRequired) {
		if _, err = a.connect(cmd, session, oidc.ConnectOptions{OpenBrowser: true}); err == nil {
			token, err = session.Token(cmd.Context(), "")
		}
	}
	if token.Access.Empty() || cmd.Context().Err() != nil && err != nil {
		return err
	}
	if err != nil {
		p := problem.From(err)
		fmt.Fprintf(cmd.ErrOrStderr(), "The token is valid for %s only. %s\n→ %s\n", words.Duration(time.Until(token.ExpiresAt)), p.Message, p.Hint)
	}
	if err == nil && cmd.Flags().Changed("min-life") && time.Until(token.ExpiresAt) < o.minLife-time.Second {
		fmt.Fprintf(cmd.ErrOrStderr(), "The token is valid for %s only. A token is refreshed when half of its life has passed, and the domain decides how long it lives.\n",
			words.Duration(time.Until(token.ExpiresAt)))
	}
	if err := show(cmd.OutOrStdout(), e.BaseURL, token); err != nil {
		return err
	}
	return unsaved(session)
}

// tokenFormats are the values of --format.
var tokenFormats = map[string]func(w io.Writer, baseURL string, t oidc.Token) error{
	"raw": func(w io.Writer, _ string, t oidc.Token) error {
		_, err := fmt.Fprintln(w, t.Access.Reveal())
		return err
	},
	"header": func(w io.Writer, _ string, t oidc.Token) error {
		_, err := fmt.Fprintf(w, "Authorization: Bearer %s\n", t.Access.Reveal())
		return err
	},
	"json": func(w io.Writer, _ string, t oidc.Token) error {
		return printJSON(w, map[string]string{
			"accessToken": t.Access.Reveal(), "tokenType": t.Type, "expiresAt": wireTime(t.ExpiresAt),
		})
	},
	"env": func(w io.Writer, baseURL string, t oidc.Token) error {
		base := shellQuoted(baseURL) // OPENAI_API_BASE is the older name, used by aider through LiteLLM
		_, err := fmt.Fprintf(w, "export OPENAI_API_KEY=%s\nexport OPENAI_BASE_URL=%s\nexport OPENAI_API_BASE=%s\n",
			shellQuoted(t.Access.Reveal()), base, base)
		return err
	},
	"exec-credential": func(w io.Writer, _ string, t oidc.Token) error {
		version, err := execCredentialVersion(os.Getenv("KUBERNETES_EXEC_INFO"))
		if err != nil {
			return err
		}
		return printJSON(w, map[string]any{
			"apiVersion": version,
			"kind":       "ExecCredential",
			"status":     map[string]string{"expirationTimestamp": wireTime(t.ExpiresAt), "token": t.Access.Reveal()},
		})
	},
}

// execCredentialVersion returns the API version to answer with. kubectl accepts only the one
// that it names in the JSON of KUBERNETES_EXEC_INFO, given as info.
func execCredentialVersion(info string) (string, error) {
	const group = "client.authentication.k8s.io/"
	if info == "" { // another program
		return group + "v1", nil
	}
	var asked struct {
		APIVersion string `json:"apiVersion"`
	}
	if err := json.Unmarshal([]byte(info), &asked); err != nil {
		return "", problem.New(problem.Config, "The variable KUBERNETES_EXEC_INFO holds no ExecCredential in JSON.",
			"kubectl sets it; unset it elsewhere.").Because(err)
	}
	switch asked.APIVersion {
	case group + "v1", group + "v1beta1":
		return asked.APIVersion, nil
	default:
		return "", problem.New(problem.Config, fmt.Sprintf("An ExecCredential of the version %q was asked for, which is not known.", asked.APIVersion),
			"Write apiVersion: "+group+"v1 at the user's exec in your kubeconfig.")
	}
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// wireTime formats a time for other programs: RFC 3339, UTC, whole seconds.
func wireTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// shellQuoted quotes text as one word of a POSIX shell.
func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
