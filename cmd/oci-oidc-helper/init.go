package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/cmd/oci-oidc-helper/doctor"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/published"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/secrets"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A newConfig is the configuration that init puts together and writes.
type newConfig struct {
	*app
	values      map[string]string // by key of the configuration; at first from the flags
	managed     map[string]string // the values that the administrator manages
	from        string            // the address or file of a published configuration, or ""
	models      []string
	plugin      string
	secretStdin bool
	project     bool
	force       bool
	offline     bool

	cmd    *cobra.Command
	asker  *asker      // nil without a terminal
	asked  bool        // whether the person was asked since the last check
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

A value that a flag gives, or that your administrator manages, is not asked for. Without
a terminal nothing is asked.

With --from, show the configuration that your company publishes at an https URL or in a
file, check it, and write it as yours. Only the client secret is asked for.`,
		Example: `  oci-oidc-helper init
  oci-oidc-helper init --domain-url https://idcs-0123.identity.oraclecloud.com --auth-method mobile_app --client-id 0123 --llm-base-url https://llm.example.com/v1 --model your-model --offline
  oci-oidc-helper init --project
  oci-oidc-helper init --from https://intranet.example.com/oci-auth.config.jsonc`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n.cmd = cmd
			if isTerminal(cmd.InOrStdin()) {
				n.asker = newAsker(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr())
			}
			for _, key := range config.Keys {
				if value := flags[key.Name]; value != nil && *value != "" {
					if err := n.given(key.Name, *value); err != nil {
						return err
					}
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
	cmd.Flags().StringVar(&n.from, "from", "", "take the configuration that is published at an https `URL`, or in a file")
	cmd.Flags().BoolVar(&n.project, "project", false, "write into the project directory, not for all projects")
	cmd.Flags().BoolVar(&n.force, "force", false, "overwrite without asking")
	cmd.Flags().BoolVar(&n.offline, "offline", false, "do not check against the domain")
	return cmd
}

// given takes the value of a flag.
func (n *newConfig) given(key, value string) error {
	if key == "client_secret" || key == "client_key" { // whose flags name a file
		absolute, err := filepath.Abs(value)
		if err != nil {
			return problem.From(err)
		}
		value = "{file:" + absolute + "}"
	}
	n.values[key] = value
	return config.CheckValue(n.places, key, value)
}

func (n *newConfig) run() error {
	dir, err := n.target()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, config.Name)
	if err := n.readManaged(); err != nil {
		return err
	}
	if n.from != "" {
		if err := n.take(path); err != nil {
			return err
		}
	}
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
	maps.DeleteFunc(n.values, n.isManaged)
	text := config.Format(n.values)
	_, err = config.ParseProject(n.places, path, text)
	written := config.AsUnconfirmed(err)
	if err != nil && written == nil {
		return err
	}
	if err := writeWhole(path, text); err != nil {
		return err
	}
	n.say("Wrote %s.", path)
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

// readManaged adds the values that the administrator manages. They overrule the flags.
func (n *newConfig) readManaged() error {
	path, managed, err := config.ManagedValues(n.places)
	if err != nil {
		return err
	}
	n.managed = managed
	for _, key := range config.Keys {
		value := managed[key.Name]
		if given := n.values[key.Name]; given != "" && value != "" && given != value {
			n.say("Your administrator manages %s in %s: --%s has no effect.", key.Name, path, initFlags[key.Name])
		}
	}
	maps.Copy(n.values, managed)
	return nil
}

func (n *newConfig) isManaged(key, _ string) bool { return n.managed[key] != "" }

// take shows the published configuration to the person, and adds its values to those of the
// flags. A client secret in it is saved in a file like one that the person enters, and one
// that cannot be read is asked for.
func (n *newConfig) take(path string) error {
	company, err := config.ReadPublished(n.cmd.Context(), n.places, n.from, network.Settings{})
	if err != nil {
		return err
	}
	showConfig(n.cmd.ErrOrStderr(), n.from, &config.Unconfirmed{Config: company.Config})
	for _, line := range company.Config.Managed.Text(n.from) {
		n.say("%s", line)
	}
	maps.DeleteFunc(company.Values, n.isManaged)
	before, err := regular.ReadText(path, 1<<20)
	if err == nil {
		n.keep(path, check.Values(before), company.Values)
	} else if n.asker != nil && !n.force {
		yes, err := n.asker.yes("Write it to " + path + "?")
		if err == nil && !yes {
			err = problem.New(problem.Cancelled, "Nothing was written.", "Ask whoever publishes it if it is not what you expected.")
		}
		if err != nil {
			return err
		}
	}
	if reference := company.Config.ClientSecret; !reference.None() {
		text, err := reference.Read()
		if reference.Stands() {
			n.secret = text
		}
		if reference.Stands() || err != nil && company.Values["tls_client_cert"] == "" {
			delete(company.Values, "client_secret")
		}
		if own, wrong := config.Parse(n.places, path, before); wrong == nil && err != nil && !n.secretStdin &&
			own.DomainURL == company.Config.DomainURL && own.ClientID == company.Config.ClientID {
			if _, err := own.ClientSecret.Read(); err == nil && !own.ClientSecret.None() {
				company.Values["client_secret"] = check.Values(before)["client_secret"]
			}
		}
	}
	if published.At(n.from) {
		company.Values["$from"] = n.from
	}
	for key, value := range company.Values {
		n.values[key] = cmp.Or(n.values[key], value)
	}
	return nil
}

// publishedTogether are the keys that the published configuration decides together, even those that
// it leaves out: as which application to sign in, and what the file says about itself.
var publishedTogether = []string{"auth_method", "client_secret", "client_key", "client_key_id", "tls_client_cert", "tls_client_key", "managed", "$from", "$schema"}

// keep takes over what the person's configuration sets and the published one does not, and
// shows the differences. The person's comments are not kept.
func (n *newConfig) keep(path string, own, published map[string]string) {
	differing, kept := config.Differing(own, published), []string{}
	for _, key := range config.Keys {
		value := own[key.Name]
		if value == "" || published[key.Name] != "" || n.managed[key.Name] != "" || slices.Contains(publishedTogether, key.Name) {
			continue
		}
		n.values[key.Name] = cmp.Or(n.values[key.Name], value)
		kept = append(kept, key.Name)
	}
	differing = slices.DeleteFunc(differing, func(key string) bool { return slices.Contains(kept, key) })
	n.say("It differs from %s in: %s.", path, cmp.Or(strings.Join(differing, ", "), "nothing"))
	if len(kept) > 0 {
		n.say("What else you have set stays as it is: %s.", strings.Join(kept, ", "))
	}
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
	if _, err := regular.Read(path, 1<<20); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return problem.New(problem.Config, fmt.Sprintf("%s %s.", path, regular.Why(err)), "Remove or correct it, then start again; nothing was written.").Because(err)
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
		text, err := io.ReadAll(io.LimitReader(n.cmd.InOrStdin(), secret.MaxSize))
		if plain, wrong := disk.DecodeText(text); wrong == nil { // what is no text is mistaken, too
			text = plain
		}
		if n.secret = secret.New(strings.TrimSpace(string(text))); err != nil || n.secret.Empty() {
			return problem.New(problem.Config, "There is no client secret on standard input.", "Pipe it in, or name its file with --secret-file.").Because(err)
		}
		if what := secret.Mistaken(n.secret.Reveal()); what != "" {
			return problem.New(problem.Config, "What is on standard input "+what+".", "Pipe in the client secret alone, in one line.")
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
	has := n.values["client_secret"] != "" || !n.secret.Empty()
	return !n.method().Public() && n.values["client_key"] == "" && (has || n.values["tls_client_cert"] == "")
}

func (n *newConfig) method() config.AuthMethod { return config.AuthMethod(n.values["auth_method"]) }

// question asks for the value of a key until it is valid. An empty answer means the default.
// It does not ask for what the administrator or the published configuration decides.
func (n *newConfig) question(key, words string) error {
	if n.from != "" || n.managed[key] != "" {
		return nil
	}
	n.asked = true
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
	var failed error
	for {
		n.asked = false
		if n.asker != nil && (!given || failed != nil) {
			if err := ask(); err != nil {
				return err
			}
		}
		if failed != nil && !n.asked { // nothing of it is the person's to decide
			return failed
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
		failed = err
		keep, err := n.asker.yes("  Keep it all the same?")
		if err != nil || keep {
			return err
		}
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
			metadata, err := d.Metadata(ctx)
			if err == nil && metadata.Issuer == "" {
				err = problem.New(problem.Domain, "That does not seem to be an identity domain: it has no discovery document.", "Check the Domain URL.")
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
		n.asked = true
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
		return n.question("token_store", "Save the tokens in a file that only you can read, encrypted by the system's keyring, or so only where there is one: file, keyring or auto")
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
	if n.asker == nil || n.from != "" || len(n.models) > 0 {
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
	path, reference := secrets.Path(n.places)
	err := secrets.Save(path, n.secret, n.force)
	if errors.Is(err, fs.ErrExist) {
		if err = n.mayWrite(path, "another client secret"); err == nil {
			err = secrets.Save(path, n.secret, true)
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
		return change, problem.New(problem.Config, fmt.Sprintf("OpenCode's configuration %s %s.", change.path, regular.Why(err)),
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
		return store.NotWritten(path+" cannot be written", err)
	}
	return nil
}
