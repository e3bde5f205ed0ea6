// Package config reads oci-auth.config.jsonc: its keys, how they fit together, and whether
// the file of a project is trusted.
//
// A file with an error is refused, with a message that names the file, the line and the
// key. A project's file has no effect until the person has confirmed it, unless it says the
// same as the person's own file; [ParseProject] decides that. Every key is described in
// [Keys]. CONTRIBUTING.md says how to add one.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/secrets"
)

// Name is the name of the configuration file.
const Name = "oci-auth.config.jsonc"

// Defaults of the keys that may be left out.
const (
	DefaultRedirectURI = check.DefaultRedirectURI
	DefaultScope       = check.DefaultScope
	DefaultLogLevel    = "INFO"
)

// Config is a valid configuration.
type Config struct {
	Path          string            // the file it was read from
	Managed       check.Managed     // the keys that the administrator decides
	From          string            // the URL at which it is published, or ""
	DomainURL     string            // origin of the identity domain, without a trailing slash
	ClientID      string            //
	ClientSecret  secrets.Ref       // empty for an application without a secret
	ClientKey     secrets.Ref       // empty for an application without a key; else PEM
	ClientKeyID   string            // empty for a key without an ID
	SignIn        string            // the preferred flow; empty to choose by application and machine
	RedirectURIs  []string          // exactly as registered; at least one
	Scope         string            // space-separated
	Resources     []string          // RFC 8707
	Audience      string            //
	LoginHint     string            //
	Prompt        string            // space-separated
	MaxAge        *int              // seconds; nil for no limit
	ExtraParams   map[string]string //
	Issuer        string            // empty for the issuer in the discovery document
	StrictIDToken bool              //
	BaseURL       string            // llm_base_url, without a trailing slash
	Others        []Endpoint        // the key endpoints, sorted by ID
	Session       string            // see Sessions; empty for the configuration as a whole
	AuthMethod    AuthMethod        //
	LogLevel      slog.Level        //
	LogFile       string            // absolute
	LogBound      bool              // LogFile was named by a project and must be opened without following links
	AgentToken    bool              // agents may run "oci-oidc-helper token"
	TokenStore    TokenStore        // how the tokens are saved

	Network network.Settings // ca_file, tls_client_cert and tls_client_key

	file configFile // as it was written, with its defaults and without secrets
}

// Equal reports whether two configurations say the same, however it is written.
func (c Config) Equal(other Config) bool {
	c.file, other.file = configFile{}, configFile{}
	return reflect.DeepEqual(c, other)
}

// Environ returns the environment for a child process: that of this process without the
// variables that hold the configuration's secrets. Proxy variables are kept, even with a
// password, because a browser needs them.
func (c Config) Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return name != "" && (strings.EqualFold(name, c.ClientSecret.Env()) || strings.EqualFold(name, c.ClientKey.Env()))
	})
}

// Proof returns the client secret or the private key. Public clients have neither.
func (c Config) Proof() secrets.Ref {
	if !c.ClientKey.None() {
		return c.ClientKey
	}
	return c.ClientSecret
}

// configFile holds the keys of the file, before they are checked.
type configFile struct {
	Schema        string            `json:"$schema"`
	From          string            `json:"$from,omitempty"`
	Managed       bool              `json:"managed,omitempty"`
	DomainURL     string            `json:"domain_url"`
	ClientID      string            `json:"client_id"`
	ClientSecret  string            `json:"client_secret"`
	ClientKey     string            `json:"client_key,omitempty"`
	ClientKeyID   string            `json:"client_key_id,omitempty"`
	SignIn        string            `json:"sign_in,omitempty"`
	RedirectURI   check.Texts       `json:"redirect_uri"`
	Scope         string            `json:"scope"`
	Resource      check.Texts       `json:"resource,omitempty"`
	Audience      string            `json:"audience,omitempty"`
	LoginHint     string            `json:"login_hint,omitempty"`
	Prompt        string            `json:"prompt,omitempty"`
	MaxAge        *int              `json:"max_age,omitempty"`
	ExtraParams   map[string]string `json:"extra_params,omitempty"`
	Issuer        string            `json:"issuer,omitempty"`
	StrictIDToken bool              `json:"strict_id_token,omitempty"`
	BaseURL       string            `json:"llm_base_url"`
	Endpoints     check.Endpoints   `json:"endpoints,omitempty"`
	AuthMethod    string            `json:"auth_method"`
	CAFile        string            `json:"ca_file"`
	TLSCert       string            `json:"tls_client_cert"`
	TLSKey        string            `json:"tls_client_key"`
	LogLevel      string            `json:"log_level"`
	LogFile       string            `json:"log_file"`
	AgentToken    bool              `json:"allow_agent_token"`
	TokenStore    string            `json:"token_store"`
}

// Paths returns the paths at which Load looks for a configuration, in that order.
func Paths(p store.Places, directory string) []string {
	var paths []string
	for _, dir := range append([]string{directory}, p.ConfigDirs...) {
		paths = append(paths, filepath.Join(dir, Name))
	}
	if managed := managedPath(p); managed != "" {
		paths = append(paths, managed)
	}
	return paths
}

// Load reads the configuration for a project directory: the file there, or else the one in
// OpenCode's own configuration directory, or else the administrator's, which may also
// decide some keys of the others.
//
// Its error is a [problem.Problem]. Of kind Config, it names the file, line and key of every
// mistake, or the paths that were searched if there is no file. Of kind Untrusted, it has an
// [Unconfirmed] as its cause: the file is the project's, and the person has not confirmed it.
func Load(p store.Places, directory string) (Config, error) {
	paths := Paths(p, directory)
	for _, path := range paths {
		text, err := regular.ReadText(path, check.MaxSize)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, syscall.ENOTDIR):
			return Config{}, problem.New(problem.Config, fmt.Sprintf("The configuration %s %s.", path, regular.Why(err)), "Move that file away.").Because(err)
		case err != nil:
			return Config{}, problem.New(problem.Config,
				fmt.Sprintf("The configuration %s %s.", path, regular.Why(err)),
				"Make it a file that you can read.").Because(err)
		}
		return ParseProject(p.Outside(directory), path, text)
	}
	message := "No configuration was found. Searched:\n  " + strings.Join(paths, "\n  ")
	if misnamed, _ := p.Misnamed(); misnamed != "" {
		message += "\n" + misnamed
	}
	return Config{}, problem.New(problem.Config, message,
		"Put "+Name+" at one of these paths; the package's oci-auth.config.example.jsonc shows every key.")
}

// parseConfig parses and checks the text of a configuration file that needs no confirmation.
func parseConfig(p store.Places, path string, text []byte) (Config, error) {
	config, check, _ := parse(p, path, text, true)
	if refuseLog(p, check, config); len(check.Lines) > 0 {
		return Config{}, check.Problem()
	}
	return config, nil
}

// refuseLog reports a log_file that is another file of this program, which the log would
// damage.
func refuseLog(p store.Places, c *check.File, config Config) {
	if !c.Has("log_file") {
		return
	}
	others := []string{config.Path, config.Managed.Path, config.ClientSecret.File(), config.ClientKey.File(),
		config.Network.CAFile, config.Network.ClientCert, config.Network.ClientKey}
	if p.StateDir != "" {
		saved, _ := filepath.Glob(filepath.Join(p.StateDir, "*.json"))
		others = append(others, saved...)
	}
	if slices.ContainsFunc(others, func(path string) bool { return path != "" && store.SamePath(path, config.LogFile) }) {
		c.Add("log_file", fmt.Sprintf("names %s, which has another use, and the log would damage it; name a file for the log alone", config.LogFile))
	}
}

// defaults returns the values of the keys that a file leaves out.
func defaults() configFile {
	return configFile{
		RedirectURI: check.Texts{DefaultRedirectURI},
		Scope:       DefaultScope,
		AuthMethod:  string(ConfidentialApp),
		LogLevel:    DefaultLogLevel,
		TokenStore:  string(FileStore),
	}
}

// parse parses the text of a configuration file. The mistakes are in the returned
// [check.File]. own says that the person wrote the file, so that it may use any variable of
// the environment.
func parse(p store.Places, path string, text []byte, own bool) (Config, *check.File, *configFile) {
	file := defaults()
	check := check.Read(path, text, own, &file)
	if check.Broken {
		return Config{}, check, &file
	}
	decided := defaults()
	managed := check.Manage(p, managedPath(p), &file, &decided, aboutItself...)
	if check.Broken {
		return Config{}, check, &file
	}

	logFile := p.LogFile // "" where there is no home
	if file.LogFile != "" {
		logFile = check.FilePath(p, "log_file", file.LogFile)
	}
	method := authMethod(check, file.AuthMethod)
	config := Config{
		Path:          path,
		Managed:       managed,
		From:          check.Address("$from", file.From),
		DomainURL:     check.OriginURL("domain_url", file.DomainURL),
		ClientID:      check.Required("client_id", file.ClientID),
		ClientSecret:  secrets.Parse(p, check, "client_secret", file.ClientSecret),
		ClientKey:     secrets.Parse(p, check, "client_key", file.ClientKey),
		ClientKeyID:   check.PlainText("client_key_id", file.ClientKeyID),
		SignIn:        check.OneOf("sign_in", file.SignIn, signIns),
		RedirectURIs:  check.RedirectURIs(file.RedirectURI),
		Scope:         check.Scope(file.Scope, method.Unattended()),
		Resources:     check.Resources(file.Resource),
		Audience:      check.PlainText("audience", file.Audience),
		LoginHint:     check.PlainText("login_hint", file.LoginHint),
		Prompt:        check.Prompt(file.Prompt),
		MaxAge:        file.MaxAge,
		ExtraParams:   check.ExtraParams(file.ExtraParams),
		Issuer:        check.Address("issuer", file.Issuer),
		StrictIDToken: file.StrictIDToken,
		BaseURL:       check.BaseURL("llm_base_url", file.BaseURL),
		Others:        check.Endpoints(file.Endpoints),
		AuthMethod:    method,
		LogLevel:      check.LogLevel(file.LogLevel),
		LogFile:       logFile,
		AgentToken:    file.AgentToken,
		TokenStore:    TokenStore(check.OneOf("token_store", file.TokenStore, tokenStores)),
		Network: network.Settings{
			CAFile:     networkFile(p, check, "ca_file", file.CAFile),
			ClientCert: networkFile(p, check, "tls_client_cert", file.TLSCert),
			ClientKey:  networkFile(p, check, "tls_client_key", file.TLSKey),
		},
	}
	if file.TLSKey != "" && file.TLSCert == "" {
		check.Add("tls_client_key", "is of no use without tls_client_cert; name the certificate's file there")
	}
	combination(check, &file, config)
	config.file = file
	config.file.ClientSecret, config.file.ClientKey = "", ""
	return config, check, &file
}

// networkFile checks the path of a PEM file, and returns it as an absolute path, or "". The
// file is read when it is needed.
func networkFile(p store.Places, c *check.File, key, value string) string {
	switch {
	case value == "":
		return ""
	case check.IsPlaceholder(value):
		c.Add(key, "is still a placeholder; put the file's path there, or remove the key")
	case strings.Contains(value, "-----BEGIN"):
		c.Add(key, "holds the text itself; put it in a file, and the file's path here")
	}
	return c.FilePath(p, key, value)
}

// managedPath returns the path of the administrator's configuration, or "".
func managedPath(p store.Places) string {
	if p.ManagedDir == "" {
		return ""
	}
	return filepath.Join(p.ManagedDir, Name)
}

// managed reports whether the administrator decides a key, or a part of it such as
// endpoints.qwen.
func (c Config) managed(key string) bool {
	key, _, _ = strings.Cut(key, ".")
	return slices.Contains(c.Managed.Keys, key)
}

// Source returns the path of the file that sets a key, or a part of it, or in which it would
// be set.
func (c Config) Source(key string) string {
	if c.managed(key) {
		return c.Managed.Path
	}
	return c.Path
}

// Origins says in sentences which key comes from which file. It returns nil if no
// administrator decides any key.
func (c Config) Origins() []string { return c.Managed.Text(c.Path) }
