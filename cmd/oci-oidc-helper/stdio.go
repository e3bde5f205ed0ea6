package main

import (
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc"
)

// stdio speaks JSON-RPC until its input ends. The signals that reach the whole
// process group of OpenCode are not meant for it; nothing but JSON-RPC goes to
// standard output, nothing at all to standard error.
func (a *app) stdio(cmd *cobra.Command) error {
	time.AfterFunc(settled, keepSmall)
	a.log.Info("helper started", "version", helperVersion())
	out := cmd.OutOrStdout()
	if watched, ok := out.(*output); ok { // what OpenCode no longer reads is nobody's loss
		out = watched.Writer
	}
	rpc.Serve(endedBy(stdioEndSignals...), cmd.InOrStdin(), out, rpc.Options{Version: helperVersion(), Places: a.places, Log: a.log})
	a.log.Info("helper ended")
	return nil
}

// settled is how long after its start a helper has done all that somebody waits for.
const settled = time.Second

// keepSmall makes the collector run often: a helper waits nearly always, and there may
// be many of them. At the start it would run in everybody's way.
func keepSmall() { debug.SetGCPercent(25) }
