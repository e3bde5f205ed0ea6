// Package config reads oci-auth.config.jsonc: its keys and their checks, the
// references to secrets, and whether the file of a project is trusted.
//
// It refuses what it does not understand, with a message that names the file, the
// line and the key. What a project's file says has no effect before the person has
// confirmed it, unless it says the same as the person's own.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// Name is the name of the configuration file.
const Name = "oci-auth.config.jsonc"

// Defaults of the keys that may be left out.
const (
	DefaultRedirectURI = "http://localhost:8888/callback"
	DefaultScope       = "openid profile offline_access"
	DefaultLogLevel    = "INFO"
)

// Config is a valid configuration.
type Config struct {
	Path          string            // the file it was read from
	DomainURL     string            // origin of the identity domain, without a trailing slash
	ClientID      string            //
	ClientSecret  SecretRef         // empty for an application without a secret
	ClientKey     SecretRef         // empty for an application without a key; else PEM
	ClientKeyID   string            // empty for a key without an ID
	SignIn        string            // the flow that comes first; empty for the one that suits
	RedirectURIs  []string          // exactly as registered; one at least
	Scope         string            // space-separated
	Resources     []string          // RFC 8707
	Audience      string            //
	LoginHint     string            //
	Prompt        string            // space-separated
	MaxAge        *int              // seconds; nil for any
	ExtraParams   map[string]string //
	Issuer        string            // empty for what the discovery document says
	StrictIDToken bool              //
	BaseURL       string            // llm_base_url, without a trailing slash
	AuthMethod    AuthMethod        //
	LogLevel      slog.Level        //
	LogFile       string            // absolute
	LogBound      bool              // a project's: LogFile has no links, and must not get any
	AgentToken    bool              // an agent may run oci-oidc-helper token
	TokenStore    TokenStore        // how the tokens are saved

	Network network.Settings // ca_file, tls_client_cert and tls_client_key
}

// EndpointNetwork is how OpenCode reaches the endpoint: it shows no client
// certificate.
func (c Config) EndpointNetwork() network.Settings {
	return network.Settings{CAFile: c.Network.CAFile, CASum: c.Network.CASum}
}

// Equal reports whether two configurations say the same.
func (c Config) Equal(other Config) bool { return reflect.DeepEqual(c, other) }

// Environ is the environment for a program that is started: this process's, without
// the variables that hold a secret of the configuration. A proxy's stay: how else
// would a browser find its way out.
func (c Config) Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return name != "" && (strings.EqualFold(name, c.ClientSecret.Env()) || strings.EqualFold(name, c.ClientKey.Env()))
	})
}

// Proof is what the application proves itself with: the client secret or the
// private key. A public one has none.
func (c Config) Proof() SecretRef {
	if !c.ClientKey.None() {
		return c.ClientKey
	}
	return c.ClientSecret
}

// configFile is the file as it is written: every key with its default.
type configFile struct {
	Schema        string            `json:"$schema"`
	DomainURL     string            `json:"domain_url"`
	ClientID      string            `json:"client_id"`
	ClientSecret  string            `json:"client_secret"`
	ClientKey     string            `json:"client_key,omitempty"`
	ClientKeyID   string            `json:"client_key_id,omitempty"`
	SignIn        string            `json:"sign_in,omitempty"`
	RedirectURI   texts             `json:"redirect_uri"`
	Scope         string            `json:"scope"`
	Resource      texts             `json:"resource,omitempty"`
	Audience      string            `json:"audience,omitempty"`
	LoginHint     string            `json:"login_hint,omitempty"`
	Prompt        string            `json:"prompt,omitempty"`
	MaxAge        *int              `json:"max_age,omitempty"`
	ExtraParams   map[string]string `json:"extra_params,omitempty"`
	Issuer        string            `json:"issuer,omitempty"`
	StrictIDToken bool              `json:"strict_id_token,omitempty"`
	BaseURL       string            `json:"llm_base_url"`
	AuthMethod    string            `json:"auth_method"`
	CAFile        string            `json:"ca_file"`
	TLSCert       string            `json:"tls_client_cert"`
	TLSKey        string            `json:"tls_client_key"`
	LogLevel      string            `json:"log_level"`
	LogFile       string            `json:"log_file"`
	AgentToken    bool              `json:"allow_agent_token"`
	TokenStore    string            `json:"token_store"`
}

// ConfigPaths are the paths at which the configuration of a project directory
// is looked for, in that order.
func Paths(p store.Places, directory string) []string {
	var paths []string
	for _, dir := range append([]string{directory}, p.ConfigDirs...) {
		paths = append(paths, filepath.Join(dir, Name))
	}
	return paths
}

// maxConfigSize bounds what is read of a configuration or secret file, in bytes.
const maxConfigSize = 1 << 20

// LoadConfig reads the configuration that holds in a project directory: the
// file there, else the one in OpenCode's own configuration directory. Its error
// is a [problem.Problem] of kind Config that names file, line and key of all
// that is wrong, or the paths that were searched when there is no file; or of
// kind Untrusted, with an [Unconfirmed] as its cause, where the file is the
// project's and the person has not confirmed it.
func Load(p store.Places, directory string) (Config, error) {
	paths := Paths(p, directory)
	for i, path := range paths {
		text, err := regular.ReadText(path, maxConfigSize)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return Config{}, problem.New(problem.Config,
				fmt.Sprintf("The configuration %s %s.", path, regular.Why(err)),
				"Make it a file that you can read.").Because(err)
		}
		if i == 0 {
			return ParseProject(p, path, text)
		}
		return parseConfig(p, path, text)
	}
	return Config{}, problem.New(problem.Config,
		"No configuration was found. Searched:\n  "+strings.Join(paths, "\n  "),
		"Put "+Name+" at one of these paths; the package's oci-auth.config.example.jsonc shows every key.")
}

// parseConfig checks the text of a configuration file.
func parseConfig(p store.Places, path string, text []byte) (Config, error) {
	config, check, _ := parse(p, path, text, true)
	if len(check.lines) > 0 {
		return Config{}, check.problem()
	}
	return config, nil
}

// defaults are the values of the keys that a file may leave out.
func defaults(p store.Places) configFile {
	return configFile{
		RedirectURI: texts{DefaultRedirectURI},
		Scope:       DefaultScope,
		AuthMethod:  string(ConfidentialApp),
		LogLevel:    DefaultLogLevel,
		TokenStore:  string(FileStore),
	}
}

// parse reads the text of a configuration file, the person's own or not, and notes
// what is wrong with it.
func parse(p store.Places, path string, text []byte, own bool) (Config, *configCheck, *configFile) {
	file := defaults(p)
	check := decodeObject(path, text, own, &file)
	if check.broken {
		return Config{}, check, &file
	}

	logFile := p.LogFile // "" where there is no home
	if file.LogFile != "" {
		logFile = p.Expand(file.LogFile, filepath.Dir(path))
	}
	method := check.authMethod(file.AuthMethod)
	config := Config{
		Path:          path,
		DomainURL:     check.originURL("domain_url", file.DomainURL),
		ClientID:      check.required("client_id", file.ClientID),
		ClientSecret:  secretRef(p, check, "client_secret", file.ClientSecret),
		ClientKey:     secretRef(p, check, "client_key", file.ClientKey),
		ClientKeyID:   check.plainText("client_key_id", file.ClientKeyID),
		SignIn:        check.signIn(file.SignIn),
		RedirectURIs:  check.redirectURIs(file.RedirectURI),
		Scope:         check.scope(file.Scope, method),
		Resources:     check.resources(file.Resource),
		Audience:      check.plainText("audience", file.Audience),
		LoginHint:     check.plainText("login_hint", file.LoginHint),
		Prompt:        check.promptValue(file.Prompt),
		MaxAge:        file.MaxAge,
		ExtraParams:   check.extraParams(file.ExtraParams),
		Issuer:        check.issuer(file.Issuer),
		StrictIDToken: file.StrictIDToken,
		BaseURL:       check.baseURL(file.BaseURL),
		AuthMethod:    method,
		LogLevel:      check.logLevel(file.LogLevel),
		LogFile:       logFile,
		AgentToken:    file.AgentToken,
		TokenStore:    check.tokenStore(file.TokenStore),
		Network: network.Settings{
			CAFile:     networkFile(p, check, "ca_file", file.CAFile),
			ClientCert: networkFile(p, check, "tls_client_cert", file.TLSCert),
			ClientKey:  networkFile(p, check, "tls_client_key", file.TLSKey),
		},
	}
	if file.TLSKey != "" && file.TLSCert == "" {
		check.add("tls_client_key", "is of no use without tls_client_cert; name the certificate's file there")
	}
	check.combination(&file, config)
	return config, check, &file
}

// required returns the value of a key that must be there and filled in.
func (c *configCheck) required(key, value string) string {
	switch {
	case value == "":
		c.add(key, "is missing")
	case isPlaceholder(value):
		c.add(key, fmt.Sprintf("is still the placeholder %s; put your own value there", shown(value)))
	case strings.TrimSpace(value) != value || strings.ContainsAny(value, "\r\n\x00"):
		c.add(key, "has spaces or line breaks around it; remove them")
	}
	return value
}

// shown is a value as it may be quoted: one with an @ may be an address that holds a
// password.
func shown(value string) string {
	switch {
	case strings.Contains(value, "@"):
		return "a text with an @ in it"
	case isPlaceholder(value):
		return value
	default:
		return strconv.Quote(value)
	}
}

// isPlaceholder tells the example's values, such as <your-client-id>.
func isPlaceholder(value string) bool {
	from, to := strings.Index(value, "<"), strings.LastIndex(value, ">")
	return from >= 0 && to > from
}

// webURL checks that value is an absolute https URL, or http on loopback.
func (c *configCheck) webURL(key, value string) *url.URL {
	before := len(c.lines)
	if c.required(key, value); len(c.lines) > before {
		return nil
	}
	u, err := network.ParseAddress(value)
	switch {
	case err != nil: // which quotes nothing of a value that may hold a password
		c.add(key, fmt.Sprintf("is not a web address: %v; write it as https://host/…", err))
	case u.Scheme != "https" && u.Scheme != "http":
		c.add(key, "is not a web address: it begins with neither https:// nor http://; write it as https://host/…")
	case strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }):
		c.add(key, "has letters in its host that may look like others; write the host in its ASCII form (xn--…)")
	case u.User != nil:
		c.add(key, "holds a user name or password; remove them")
	case u.RawQuery != "" || u.Fragment != "":
		c.add(key, "has a query or fragment; remove what begins with ? or #")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		c.add(key, fmt.Sprintf("is http: for %s, which would send tokens in the clear; use https://%s", u.Host, u.Host))
	default:
		return u
	}
	return nil
}

func (c *configCheck) originURL(key, value string) string {
	u := c.webURL(key, value)
	if u == nil {
		return ""
	}
	origin := u.Scheme + "://" + u.Host
	if strings.Trim(u.Path, "/") != "" {
		c.add(key, fmt.Sprintf("has a path: %s; write only %s", shown(value), origin))
	}
	return origin
}

func (c *configCheck) baseURL(value string) string {
	if u := c.webURL("llm_base_url", value); u == nil {
		return ""
	}
	return strings.TrimRight(value, "/")
}

func (c *configCheck) issuer(value string) string {
	if value != "" {
		c.webURL("issuer", value)
	}
	return value
}

// redirectURIs checks each of them, and that none stands twice.
func (c *configCheck) redirectURIs(values []string) []string {
	if len(values) == 0 {
		c.add("redirect_uri", fmt.Sprintf("is an empty list; leave it out for %q", DefaultRedirectURI))
	}
	for i, value := range values {
		if slices.Contains(values[:i], value) {
			c.add("redirect_uri", fmt.Sprintf("has %s twice; remove one", shown(value)))
			continue
		}
		c.redirectURI(value)
	}
	return values
}

// redirectURI checks that the helper itself can receive the redirect
// (RFC 8252, 7.3); the URI stays as it is written, because it is compared
// as text with the registered one.
func (c *configCheck) redirectURI(value string) {
	before := len(c.lines)
	if c.required("redirect_uri", value); len(c.lines) > before {
		return
	}
	u, err := network.ParseAddress(value)
	if err == nil && u.Scheme == "https" && isLoopback(u.Hostname()) {
		c.add("redirect_uri", fmt.Sprintf("is %s, but must begin with http: — it stays on this machine", shown(value)))
		return
	}
	if err != nil || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !isLoopback(u.Hostname()) {
		c.add("redirect_uri", fmt.Sprintf("is %s, but must be on this machine, such as %s, "+
			"and be registered in the application exactly like that", shown(value), DefaultRedirectURI))
	}
}

// networkFile returns the path of a file in PEM form, or "". It is read when it is
// needed.
func networkFile(p store.Places, c *configCheck, key, value string) string {
	switch {
	case value == "":
		return ""
	case isPlaceholder(value):
		c.add(key, fmt.Sprintf("is still the placeholder %s; put the file's path there, or remove the key", value))
	case strings.Contains(value, "-----BEGIN"):
		c.add(key, "holds the text itself; put it in a file, and the file's path here")
	case strings.HasPrefix(value, "{"):
		c.add(key, fmt.Sprintf("is %q, but is the path of a file, without {file:}", value))
	}
	return p.Expand(value, filepath.Dir(c.path))
}

func (c *configCheck) logLevel(value string) slog.Level {
	level, ok := logging.ParseLevel(value)
	if !ok {
		c.add("log_level", fmt.Sprintf("is %q; write one of %s", value, strings.Join(logging.Levels, ", "))+
			didYouMean(strings.ToUpper(value), logging.Levels))
	}
	return level
}

func (c *configCheck) tokenStore(value string) TokenStore {
	return TokenStore(c.oneOf("token_store", value, tokenStores))
}

func (c *configCheck) signIn(value string) string {
	if value == "" {
		return ""
	}
	return c.oneOf("sign_in", value, signIns)
}

// isLoopback reports whether a URL's host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}
