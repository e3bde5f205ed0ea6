package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the build with -ldflags -X. The version comes from the git tag alone.
var (
	version = ""
	commit  = ""
	date    = ""
)

// helperVersion returns the version of the release, or of the module, or "dev".
func helperVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version",
		Example: `  oci-oidc-helper version`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "oci-oidc-helper %s\n", helperVersion())
			if commit != "" {
				fmt.Fprintf(out, "commit %s of %s\n", commit, date)
			}
			_, err := fmt.Fprintf(out, "%s %s-%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
