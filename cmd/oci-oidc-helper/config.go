package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
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
		Short:   "Print the path of the configuration that is used here",
		Example: `  "${EDITOR:-vi}" "$(oci-oidc-helper config path)"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			directory, err := a.projectDirectory()
			if err != nil {
				return err
			}
			path := config.Find(a.places, directory)
			if path == "" {
				// Its problem names the paths that were searched.
				_, err := config.Load(a.places, directory)
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
		Short: "Print the configuration with its defaults, without the secret",
		Long: `Print the configuration with its defaults, as JSON. A client secret in a file is shown
as the file's name; one in the configuration itself is left out. A configuration that is
not confirmed yet is shown, but the exit code is 2. If an administrator manages some of
the keys, standard error says which key comes from which file.`,
		Example: `  oci-oidc-helper config show`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			u := config.AsUnconfirmed(err)
			if u != nil {
				cfg = u.Config
			} else if err != nil {
				return err
			}
			if _, write := cmd.OutOrStdout().Write(cfg.Redacted()); write != nil {
				return write
			}
			for _, line := range cfg.Origins() {
				fmt.Fprintln(cmd.ErrOrStderr(), line)
			}
			return err
		},
	}
}

func (a *app) configValidateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check the configuration, or another file",
		Long: `Check the configuration that is used here, or FILE. Every error is shown with its
line, and the exit code is 2, also if a project's configuration is not confirmed yet.
Nothing is sent over the network; "doctor" also asks the domain.`,
		Example: `  oci-oidc-helper config validate
  oci-oidc-helper config validate oci-auth.config.jsonc`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var cfg config.Config
			var err error
			if len(args) == 0 {
				cfg, err = a.config()
			} else {
				cfg, err = a.configFile(args[0])
			}
			said := "is right."
			if u := config.AsUnconfirmed(err); u != nil && len(args) > 0 { // the file may be meant for another place
				cfg, said, err = u.Config, "is right, but not confirmed for a project.", nil
			} else if err == nil {
				_, err = cfg.Proof().Read()
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), cfg.Path, said)
			return err
		},
	}
}

// config loads the configuration of the project directory.
func (a *app) config() (config.Config, error) {
	directory, err := a.projectDirectory()
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(a.places, directory)
}

func (a *app) configFile(path string) (config.Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return config.Config{}, problem.New(problem.Config, "The file cannot be found.", "Name it with its whole path.").Because(err)
	}
	return config.LoadFile(a.places, absolute)
}

func (a *app) projectDirectory() (string, error) {
	directory, err := filepath.Abs(a.directory)
	if err != nil {
		return "", problem.New(problem.Config, "The project directory cannot be found.", "Name it with --directory.").Because(err)
	}
	return directory, nil
}
