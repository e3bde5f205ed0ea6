package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/cmd/oci-oidc-helper/doctor"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

func (a *app) doctorCommand() *cobra.Command {
	var (
		asJSON bool
		bundle string
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out what is wrong, and what to do",
		Long: `Check everything between this machine, the identity domain and the endpoint, and
say what to do about each problem. Nothing is changed: the domain is asked with codes
that are invalid on purpose. Only an expired access token is refreshed, as by any request.

The exit code is 0 if nothing failed, else that of the first failure.

--bundle writes a report to attach to an issue, with the configuration and the end
of the log, but without secrets, names and hosts. Read it before you send it.`,
		Example: `  oci-oidc-helper doctor
  oci-oidc-helper doctor --json
  oci-oidc-helper doctor --bundle report.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			directory, err := a.projectDirectory()
			if err != nil {
				return err
			}
			if config, err := config.Load(a.places, directory); err == nil {
				a.log.Configure(config.LogLevel, config.LogFile, config.LogBound)
			}
			options := doctor.Options{Places: a.places, Directory: directory, Version: helperVersion(), Log: a.logger(cmd)}
			if !asJSON {
				printer := &doctor.Printer{W: cmd.OutOrStdout(), Colour: coloured(cmd.OutOrStdout())}
				options.Found = printer.Show
			}
			report := doctor.Run(cmd.Context(), options)
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), report); err != nil {
					return err
				}
			}
			if bundle != "" {
				if err := writeBundle(bundle, report.Bundle(a.places, directory)); err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "The report is in %s. Read it before you send it.\n", bundle)
			}
			if err := context.Cause(cmd.Context()); err != nil {
				return problem.From(err)
			}
			if p := report.Problem(); p != nil {
				return p
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&bundle, "bundle", "", "write a redacted report into a new `file`")
	return cmd
}

func writeBundle(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = file.WriteString(text)
		if closed := file.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		return problem.New(problem.Store, fmt.Sprintf("The report cannot be written to %s.", path), "Name a new file in a directory that you can write to.").Because(err)
	}
	return nil
}
