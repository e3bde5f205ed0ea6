package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Find, show, check and trust the configuration",
		Example: `  oci-oidc-helper config path
  oci-oidc-helper config show
  oci-oidc-helper config validate
  oci-oidc-helper config trust`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.configPathCommand(), a.configShowCommand(), a.configValidateCommand(), a.configTrustCommand())
	return cmd
}

func (a *app) configPathCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "path",
		Short:   "Print the path of the configuration that holds here",
		Example: `  "${EDITOR:-vi}" "$(oci-oidc-helper config path)"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			directory, err := a.projectDirectory()
			if err != nil {
				return err
			}
			path := a.places.FindConfig(directory)
			if path == "" {
				// Its problem names the paths that were searched.
				_, err := a.places.LoadConfig(directory)
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), path)
			return err
		},
	}
}

func (a *app) configShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the configuration as it holds, without the secret",
		Long: `Print the configuration as it holds, defaults included, in JSON. The file of a
client secret is named; a secret that stands in the configuration is left out. One
that is not confirmed yet is shown, and the exit code is 2.`,
		Example: `  oci-oidc-helper config show`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := a.config()
			u := store.AsUnconfirmed(err)
			if u != nil {
				config = u.Config
			} else if err != nil {
				return err
			}
			if _, write := cmd.OutOrStdout().Write(config.Redacted()); write != nil {
				return write
			}
			return err
		},
	}
}

func (a *app) configValidateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check the configuration, or a file that may become one",
		Long: `Check the configuration that holds here, or FILE. All that is wrong is named with
its line, and the exit code is 2, also for a project's that is not confirmed yet. Nobody
is asked; doctor asks the domain, too.`,
		Example: `  oci-oidc-helper config validate
  oci-oidc-helper config validate oci-auth.config.jsonc`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var config store.Config
			var err error
			if len(args) == 0 {
				config, err = a.config()
			} else {
				config, err = a.configFile(args[0])
			}
			said := "is right."
			if u := store.AsUnconfirmed(err); u != nil && len(args) > 0 { // it may be meant for another place
				config, said, err = u.Config, "is right, but not confirmed for a project.", nil
			} else if err == nil {
				_, err = config.Proof().Read()
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), config.Path, said)
			return err
		},
	}
}

// config loads the configuration of the project directory.
func (a *app) config() (store.Config, error) {
	directory, err := a.projectDirectory()
	if err != nil {
		return store.Config{}, err
	}
	return a.places.LoadConfig(directory)
}

func (a *app) configFile(path string) (store.Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return store.Config{}, problem.New(problem.Config, "The file cannot be found.", "Name it with its whole path.").Because(err)
	}
	return a.places.LoadConfigFile(absolute)
}

func (a *app) projectDirectory() (string, error) {
	directory, err := filepath.Abs(a.directory)
	if err != nil {
		return "", problem.New(problem.Config, "The project directory cannot be found.", "Name it with --directory.").Because(err)
	}
	return directory, nil
}
