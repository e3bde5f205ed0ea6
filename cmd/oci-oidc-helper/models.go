package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

func (a *app) modelsCommand() *cobra.Command {
	var asJSON, refresh bool
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List the endpoint's models, as OpenCode is told them",
		Long: `List the endpoint's models with their limits in tokens, as OpenCode is told them
where opencode.json lists none: as they are known, or asked for where they are not.`,
		Example: `  oci-oidc-helper models
  oci-oidc-helper models --refresh
  oci-oidc-helper models --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			session, err := a.session(cmd)
			if err != nil {
				return err
			}
			defer session.Close()
			kept := tokens.OpenModels(a.places, session.Config())
			models, askedAt := kept.Load()
			if refresh || len(models) == 0 {
				if models, err = session.FetchModels(cmd.Context(), kept); err != nil {
					return err
				}
				askedAt = time.Now()
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), models)
			}
			showModels(cmd.OutOrStdout(), models)
			fmt.Fprintf(cmd.ErrOrStderr(), "As %s told at %s.\n", session.Config().BaseURL, words.Clock(askedAt, time.Now()))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, in the shape of provider.*.models in opencode.json")
	cmd.Flags().BoolVar(&refresh, "refresh", false, "ask the endpoint in any case")
	return cmd
}

func showModels(w io.Writer, models endpoint.Models) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MODEL\tCONTEXT\tOUTPUT")
	for _, id := range slices.Sorted(maps.Keys(models)) {
		var limit endpoint.Limit
		if known := models[id].Limit; known != nil {
			limit = *known
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", id, tok(limit.Context), tok(limit.Output))
	}
	_ = table.Flush()
}

func tok(n int) string {
	if n == 0 {
		return "?"
	}
	return strconv.Itoa(n)
}

// modelsPatience is for how long a person who has just signed in is kept waiting for the
// models.
const modelsPatience = 3 * time.Second

// learnModels asks for the models after a sign-in, so that OpenCode has them at its
// next start.
func (a *app) learnModels(cmd *cobra.Command, session *oidc.Session) {
	ctx, cancel := context.WithTimeout(cmd.Context(), modelsPatience)
	defer cancel()
	models, err := session.FetchModels(ctx, tokens.OpenModels(a.places, session.Config()))
	if err != nil {
		a.log.Info("the endpoint told no models", "problem", problem.From(err))
		return
	}
	plural := "s"
	if len(models) == 1 {
		plural = ""
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "The endpoint has %d model%s; \"oci-oidc-helper models\" lists them.\n", len(models), plural)
}
