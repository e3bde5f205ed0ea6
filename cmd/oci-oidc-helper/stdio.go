package main

import (
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc"
)

// stdio speaks JSON-RPC until its input ends. It writes nothing else to standard output, and
// nothing at all to standard error. Of the signals only [stdioEndSignals] end it.
func (a *app) stdio(cmd *cobra.Command) error {
	time.AfterFunc(settled, keepSmall)
	a.log.Info("helper started", "version", helperVersion())
	out := cmd.OutOrStdout()
	if watched, ok := out.(*output); ok { // if OpenCode has gone, a failed write is no problem
		out = watched.Writer
	}
	rpc.Serve(endedBy(stdioEndSignals...), cmd.InOrStdin(), out, rpc.Options{Version: helperVersion(), Places: a.places, Log: a.log})
	a.log.Info("helper ended")
	return nil
}

// settled is when keepSmall is called: a second after the start, when nobody waits for the
// first answers any more.
const settled = time.Second

// keepSmall trades processor time for memory: a helper is idle most of the time, and one
// runs for each window of OpenCode.
func keepSmall() { debug.SetGCPercent(25) }
