package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

func (a *app) modelsCommand() *cobra.Command {
	var asJSON, refresh bool
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List the models of each endpoint, as OpenCode shows them",
		Long: `List the models of each endpoint with their limits in tokens, as OpenCode shows them if
opencode.json lists none. The endpoint is asked for them if they are not known yet.`,
		Example: `  oci-oidc-helper models
  oci-oidc-helper models --refresh
  oci-oidc-helper models --json`,
		Args: cobra.NoArgs,
		RunE: a.withSessions(func(cmd *cobra.Command, sessions *scopes.Sessions) error {
			endpoints := sessions.Config().Endpoints()
			known := map[string]map[string]endpoint.Models{} // in the shape of provider in opencode.json
			var failed, err error                            // failed is the first failure; the other endpoints are shown nevertheless
			for _, e := range endpoints {
				session := sessions.For(e.Provider())
				saved := tokens.OpenModels(a.places, session.Config(), e)
				models, askedAt := saved.Load()
				if refresh || len(models) == 0 {
					if models, err = opencode.FetchModels(cmd.Context(), session, e, saved); err != nil {
						failed = cmp.Or(failed, err)
						continue
					}
					askedAt = time.Now()
				}
				known[e.Provider()] = map[string]endpoint.Models{"models": models}
				if asJSON {
					continue
				}
				if len(endpoints) > 1 {
					fmt.Fprintf(cmd.OutOrStdout(), "%s\n", e.Provider())
				}
				showModels(cmd.OutOrStdout(), models)
				fmt.Fprintf(cmd.ErrOrStderr(), "As %s told at %s.\n", e.BaseURL, words.Clock(askedAt, time.Now()))
			}
			switch {
			case asJSON && len(endpoints) > 1:
				err = printJSON(cmd.OutOrStdout(), known)
			case asJSON && failed == nil:
				err = printJSON(cmd.OutOrStdout(), known[config.Provider]["models"])
			}
			return cmp.Or(failed, err)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, in the shape of provider.*.models in opencode.json; of provider for several endpoints")
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

// modelsPatience is how long a person who has just signed in waits for the models.
const modelsPatience = 3 * time.Second

// learnModels gets and saves the models after a sign-in, so that OpenCode has them at its
// next start.
func (a *app) learnModels(cmd *cobra.Command, session *oidc.Session) {
	ctx, cancel := context.WithTimeout(cmd.Context(), modelsPatience)
	defer cancel()
	var all sync.WaitGroup
	var count atomic.Int32
	endpoints := session.Config().Endpoints()
	for _, e := range endpoints {
		all.Go(func() {
			models, err := opencode.FetchModels(ctx, session, e, tokens.OpenModels(a.places, session.Config(), e))
			if err != nil {
				a.log.Info("the endpoint told no models", "provider", e.Provider(), "problem", problem.From(err))
			}
			count.Add(int32(len(models)))
		})
	}
	all.Wait()
	if count.Load() == 0 {
		return
	}
	have, plural := "The endpoint has", "s"
	if len(endpoints) > 1 {
		have = "The endpoints have"
	}
	if count.Load() == 1 {
		plural = ""
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s %d model%s; \"oci-oidc-helper models\" lists them.\n", have, count.Load(), plural)
}
