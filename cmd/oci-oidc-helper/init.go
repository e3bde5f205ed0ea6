package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/cmd/oci-oidc-helper/doctor"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A newConfig is the configuration that init puts together and writes.
type newConfig struct {
	*app
	values      map[string]string // by key of the configuration; at first from the flags
	models      []string
	plugin      string
	secretStdin bool
	project     bool
	force       bool
	offline     bool

	cmd    *cobra.Command
	asker  *asker      // nil without a terminal
	secret secret.Text // the client secret to save; empty if the person names a file
}

// initFlags maps keys of the configuration to flags.
var initFlags = map[string]string{
	"domain_url": "domain-url", "client_id": "client-id", "client_secret": "secret-file",
	"client_key": "key-file", "client_key_id": "key-id", "auth_method": "auth-method", "sign_in": "sign-in", "redirect_uri": "redirect-uri", "scope": "scope", "llm_base_url": "llm-base-url",
	"token_store": "token-store",
}

func (a *app) initCommand() *cobra.Command {
	n := &newConfig{app: a, values: map[string]string{}}
	flags := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration, after checking it against the domain",
		Long: `Ask for the values of the configuration, check each with the domain, and write
oci-auth.config.jsonc with comments, the client secret in a file of its own that only
you can read, and the plugin and models in OpenCode's opencode.json. Nothing is
overwritten without asking.

A value that a flag gives is not asked for. Without a terminal nothing is asked.`,
		Example: `  oci-oidc-helper init
  oci-oidc-helper init --domain-url https://idcs-0123.identity.oraclecloud.com --auth-method mobile_app --client-id 0123 --llm-base-url https://llm.example.com/v1 --model your-model --offline
  oci-oidc-helper init --project`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n.cmd = cmd
			if isTerminal(cmd.InOrStdin()) {
				n.asker = newAsker(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr())
			}
			for key, value := range flags {
				if *value != "" {
					n.values[key] = *value
				}
			}
			return n.run()
		},
	}
	for _, key := range config.Keys {
		if name, ok := initFlags[key.Name]; ok {
			flags[key.Name] = cmd.Flags().String(name, "", key.About)
		}
	}
	cmd.Flags().Lookup("secret-file").Usage = "the `file` that holds the client secret"
	cmd.Flags().Lookup("key-file").Usage = "the `file` that holds a private key instead of the client secret"
	cmd.Flags().BoolVar(&n.secretStdin, "secret-stdin", false, "read the client secret from standard input")
	cmd.Flags().StringArrayVar(&n.models, "model", nil, "a `model` by the name that the endpoint knows; may be repeated")
	cmd.Flags().StringVar(&n.plugin, "plugin", "", "the plugin's `entry` in opencode.json")
	cmd.Flags().BoolVar(&n.project, "project", false, "write into the project directory, not for all projects")
	cmd.Flags().BoolVar(&n.force, "force", false, "overwrite without asking")
	cmd.Flags().BoolVar(&n.offline, "offline", false, "do not check against the domain")
	return cmd
}

func (n *newConfig) run() error {
	dir, err := n.target()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, config.Name)
	if err := n.mayWrite(path, "the configuration"); err != nil {
		return err
	}
	for _, step := range []func() error{n.missing, n.askDomain, n.askApplication, n.askEndpoint, n.askAuthorization, n.askTokenStore, n.askModels} {
		if err := step(); err != nil {
			return err
		}
	}
	change, err := n.planOpenCode(dir)
	if err != nil {
		return err
	}
	if err := n.saveSecret(); err != nil {
		return err
	}
	text := config.Format(n.values)
	complete, err := config.ParseProject(n.places, path, text)
	written := config.AsUnconfirmed(err)
	if err != nil && written == nil {
		return err
	}
	if err := writeWhole(path, text); err != nil {
		return err
	}
	n.say("Wrote %s.", path)
	if overruled := complete.Managed.Overruled; len(overruled) > 0 {
		n.say("Your administrator manages %s in %s: what you wrote there has no effect.", strings.Join(overruled, ", "), complete.Managed.Path)
	}
	if written != nil { // no need to ask: the person has just entered it
		if err := config.Confirm(n.places, written); err != nil {
			return err
		}
	}
	if err := n.enterInOpenCode(change); err != nil {
		return err
	}
	n.say("Now run: oci-oidc-helper connect")
	return nil
}

func (n *newConfig) say(format string, args ...any) {
	fmt.Fprintf(n.cmd.ErrOrStderr(), format+"\n", args...)
}

// target returns the directory to write into.
func (n *newConfig) target() (string, error) {
	if n.project {
		return n.projectDirectory()
	}
	if len(n.places.ConfigDirs) == 0 {
		return "", problem.New(problem.Config, "You have no home directory.", "Write into the project: --project.")
	}
	return n.places.ConfigDirs[0], nil
}

// mayWrite asks before a file is overwritten.
func (n *newConfig) mayWrite(path, what string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) || n.force {
		return nil
	}
	refused := problem.New(problem.Config, fmt.Sprintf("There is %s already: %s.", what, path), "Overwrite it with --force, or change it by hand.")
	if n.asker == nil {
		return refused
	}
	yes, err := n.asker.yes(fmt.Sprintf("There is %s already: %s. Overwrite it?", what, path))
	if err == nil && !yes {
		err = refused
	}
	return err
}

// missing checks the values of the flags. Without a terminal it returns a problem that names
// the flags that are missing.
func (n *newConfig) missing() error {
	if n.secretStdin {
		text, err := io.ReadAll(io.LimitReader(n.cmd.InOrStdin(), 64<<10))
		if n.secret = secret.New(strings.TrimSpace(string(text))); err != nil || n.secret.Empty() {
			return problem.New(problem.Config, "There is no client secret on standard input.", "Pipe it in, or name its file with --secret-file.").Because(err)
		}
	}
	for _, key := range []string{"client_secret", "client_key"} {
		if file := n.values[key]; file != "" {
			absolute, err := filepath.Abs(file)
			if err != nil {
				return problem.From(err)
			}
			n.values[key] = "{file:" + absolute + "}"
		}
	}
	for _, key := range config.Keys {
		if n.values[key.Name] != "" {
			if err := config.CheckValue(n.places, key.Name, n.values[key.Name]); err != nil {
				return err
			}
		}
	}
	if n.asker != nil {
		return nil
	}
	var flags []string
	for _, key := range config.Keys {
		if key.Required && n.values[key.Name] == "" {
			flags = append(flags, "--"+initFlags[key.Name])
		}
	}
	if n.confidential() && n.values["client_secret"] == "" && n.secret.Empty() {
		flags = append(flags, "--secret-file or --secret-stdin (or --key-file, or --auth-method mobile_app or public_app)")
	}
	if len(flags) > 0 {
		return problem.New(problem.Config, "Without a terminal nothing can be asked; missing: "+strings.Join(flags, ", ")+".",
			"Give these flags, or run it in a terminal.")
	}
	return nil
}

// confidential reports whether the application has a client secret.
func (n *newConfig) confidential() bool {
	return !n.method().Public() && n.values["client_key"] == ""
}

func (n *newConfig) method() config.AuthMethod { return config.AuthMethod(n.values["auth_method"]) }

// question asks for the value of a key until it is valid. An empty answer means the default.
func (n *newConfig) question(key, words string) error {
	preset := n.values[key]
	for _, k := range config.Keys {
		if k.Name == key && preset == "" && !(key == "scope" && n.method().Unattended()) {
			preset = k.Default
		}
	}
	for {
		answer, err := n.asker.ask(words, preset)
		if err != nil {
			return err
		}
		if err := config.CheckValue(n.places, key, answer); err != nil {
			n.say("  %s", problem.From(err).Message)
			continue
		}
		n.values[key] = answer
		return nil
	}
}

// settle asks for values unless flags gave them, and checks them. If the check fails, it
// asks again, or returns the error if there is no terminal.
func (n *newConfig) settle(ask func() error, given bool, check func(context.Context, *domain.Domain) error) error {
	again := false
	for {
		if n.asker != nil && (!given || again) {
			if err := ask(); err != nil {
				return err
			}
		}
		if n.offline || check == nil {
			return nil
		}
		domain, err := n.domain()
		if err == nil {
			err = check(n.cmd.Context(), domain)
		}
		if err == nil {
			return nil
		}
		if n.asker == nil || n.cmd.Context().Err() != nil {
			return err
		}
		n.say("  %v", err)
		keep, err := n.asker.yes("  Keep it all the same?")
		if err != nil || keep {
			return err
		}
		again = true
	}
}

// domain returns the domain, with placeholders for the values that are not known yet.
func (n *newConfig) domain() (*domain.Domain, error) {
	values := map[string]string{"client_id": "-", "llm_base_url": "https://endpoint.invalid", "client_secret": "-"}
	maps.Copy(values, n.values)
	if !n.secret.Empty() {
		values["client_secret"] = n.secret.Reveal()
	}
	if !n.confidential() {
		delete(values, "client_secret")
	}
	config, err := config.Parse(n.places, config.Name, config.Format(values))
	if err != nil {
		return nil, err
	}
	return domain.New(config, n.log.Logger)
}

func (n *newConfig) askDomain() error {
	return n.settle(
		func() error { return n.question("domain_url", "Domain URL, from the domain's page in the OCI console") },
		n.values["domain_url"] != "",
		func(ctx context.Context, d *domain.Domain) error {
			facts, err := d.Facts(ctx)
			if err == nil && facts.Issuer == "" {
				err = problem.New(problem.Domain, "That seems to be no identity domain: it has no discovery document.", "Check the Domain URL.")
			}
			if err == nil {
				n.say("✓ The domain answers.")
			}
			return err
		})
}

func (n *newConfig) askApplication() error {
	given := n.values["client_id"] != "" && (!n.confidential() || n.values["client_secret"] != "" || !n.secret.Empty())
	return n.settle(func() error {
		if err := n.question("auth_method", "Kind of application: confidential_app, mobile_app, public_app or client_credentials"); err != nil {
			return err
		}
		if err := n.question("client_id", "Client ID of the application"); err != nil || !n.confidential() {
			return err
		}
		text, err := n.asker.hidden("Client secret (is not shown)")
		if text != "" {
			n.secret = secret.New(text)
			delete(n.values, "client_secret")
		}
		return err
	}, given, func(ctx context.Context, d *domain.Domain) error {
		err := d.ProbeApplication(ctx)
		if err == nil {
			n.say("✓ The domain knows the application.")
		}
		return err
	})
}

func (n *newConfig) askEndpoint() error {
	return n.settle(func() error {
		return n.question("llm_base_url", "Endpoint, the OpenAI-compatible base URL (…/v1)")
	}, n.values["llm_base_url"] != "", nil)
}

func (n *newConfig) askAuthorization() error {
	if n.method().Unattended() {
		return n.settle(func() error { return n.question("scope", "Scope of the endpoint") }, n.values["scope"] != "", nil)
	}
	return n.settle(func() error {
		if err := n.question("scope", "Scope; add the endpoint's own"); err != nil {
			return err
		}
		return n.question("redirect_uri", "Redirect URL, as registered with the application")
	}, n.values["scope"] != "" && n.values["redirect_uri"] != "", func(ctx context.Context, d *domain.Domain) error {
		redirectURI := config.DefaultRedirectURI
		if registered := strings.Fields(n.values["redirect_uri"]); len(registered) > 0 {
			redirectURI = registered[0]
		}
		err := d.ProbeAuthorization(ctx, redirectURI)
		if err == nil {
			n.say("✓ The domain knows the redirect URL and the scope.")
		}
		return err
	})
}

func (n *newConfig) askTokenStore() error {
	return n.settle(func() error {
		return n.question("token_store", "Save the tokens in a file that only you can read, or encrypted by the system's keyring: file or keyring")
	}, n.values["token_store"] != "", func(context.Context, *domain.Domain) error {
		if n.values["token_store"] != string(config.KeyringStore) {
			return nil
		}
		_, err := tokens.Open(n.places, config.Config{TokenStore: config.KeyringStore}).CheckKeyring()
		if err == nil {
			n.say("✓ The keyring answers.")
		}
		return err
	})
}

func (n *newConfig) askModels() error {
	if n.asker == nil || len(n.models) > 0 {
		return nil
	}
	answer, err := n.asker.ask("Models, by the names that the endpoint knows, separated by spaces (may be empty)", "")
	n.models = strings.Fields(answer)
	return err
}

// saveSecret saves a client secret that was typed or piped in, and refers to its file in the
// configuration.
func (n *newConfig) saveSecret() error {
	if !n.confidential() {
		delete(n.values, "client_secret")
		return nil
	}
	if n.secret.Empty() {
		return nil
	}
	if n.places.Home == "" {
		return problem.New(problem.Config, "There is no home directory to keep the client secret in.",
			"Set HOME to its absolute path, or name a file that holds the client secret: --secret-file.")
	}
	path, reference := config.SecretPath(n.places)
	err := config.SaveSecret(path, n.secret, n.force)
	if errors.Is(err, fs.ErrExist) {
		if err = n.mayWrite(path, "another client secret"); err == nil {
			err = config.SaveSecret(path, n.secret, true)
		}
	}
	if err != nil {
		return err
	}
	n.values["client_secret"] = reference
	n.say("Wrote %s, readable by you alone.", path)
	return nil
}

// An openCodeChange is OpenCode's configuration before and after.
type openCodeChange struct {
	path          string
	before, after []byte
}

// planOpenCode works out the change of OpenCode's configuration without writing it, so that
// a problem is found before anything is written.
func (n *newConfig) planOpenCode(dir string) (openCodeChange, error) {
	entries := openCodeEntries{plugin: n.plugin, models: n.models}
	if version := doctor.PluginVersion(helperVersion()); entries.plugin == "" && version != "" {
		entries.plugin = "opencode-oci-oidc@" + version
	}
	change := openCodeChange{path: filepath.Join(dir, "opencode.jsonc")}
	if _, err := os.Stat(change.path); err != nil {
		change.path = filepath.Join(dir, "opencode.json")
	}
	var err error
	change.before, err = regular.Read(change.path, 1<<20)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		change.after, err = entries.into(change.before)
	}
	if err != nil {
		return change, problem.New(problem.Config, fmt.Sprintf("OpenCode's configuration %s cannot be read.", change.path),
			"Correct it, then start again; nothing was written.").Because(err)
	}
	return change, nil
}

// enterInOpenCode writes the change, after asking if the file exists.
func (n *newConfig) enterInOpenCode(change openCodeChange) error {
	switch {
	case bytes.Equal(change.before, change.after):
		return nil
	case len(change.before) > 0 && !n.force && n.asker == nil:
		n.say("%s was left as it is. To enter the plugin and the models: --force.", change.path)
		return nil
	case len(change.before) > 0 && !n.force:
		yes, err := n.asker.yes(fmt.Sprintf("Enter the plugin and the models in %s?", change.path))
		if err != nil || !yes {
			return err
		}
	}
	if err := writeWhole(change.path, change.after); err != nil {
		return err
	}
	n.say("Wrote %s.", change.path)
	return nil
}

// writeWhole replaces a file as a whole and keeps its mode. It writes to the target of a
// symbolic link, because people keep their configurations in a repository.
func writeWhole(path string, text []byte) error {
	mode := fs.FileMode(0o600)
	file, err := filepath.EvalSymlinks(path)
	switch info, there := os.Lstat(path); {
	case err == nil:
		path = file
	case there == nil && info.Mode()&fs.ModeSymlink != 0:
		target, _ := os.Readlink(path)
		return problem.New(problem.Store, fmt.Sprintf("%s is a link to %s, where no file can be reached.", path, target),
			"Correct or remove the link, then start again.").Because(err)
	}
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	err = os.MkdirAll(filepath.Dir(path), 0o755)
	temp := path + ".tmp"
	if err == nil {
		err = os.WriteFile(temp, text, mode)
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return problem.New(problem.Store, path+" cannot be written.", "Make its directory writable by you.").Because(err)
	}
	return nil
}
