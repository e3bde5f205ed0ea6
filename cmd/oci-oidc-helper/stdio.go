package main

import (
	"context"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc"
)

// stdio speaks JSON-RPC until its input ends. The signals that reach the whole
// process group of OpenCode are not meant for it; nothing but JSON-RPC goes to
// standard output, nothing at all to standard error.
func (a *app) stdio(cmd *cobra.Command) error {
	debug.SetGCPercent(25) // it waits nearly always, and there may be many: 2 MB less each, at no cost that could be measured
	signal.Ignore(groupSignals...)
	ctx, stop := signal.NotifyContext(context.Background(), endSignals...)
	defer stop()
	a.log.Info("helper started", "version", helperVersion())
	rpc.Serve(ctx, cmd.InOrStdin(), cmd.OutOrStdout(), rpc.Options{Version: helperVersion(), Places: a.places, Log: a.log})
	a.log.Info("helper ended")
	return nil
}
