package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// An AuthMethod says what kind of application is registered in the domain.
type AuthMethod string

// The two methods of the published plugin.
const (
	ConfidentialApp AuthMethod = "confidential_app" // has a secret; signs in with the browser
	MobileApp       AuthMethod = "mobile_app"       // has none; signs in with a device code
)

// Defaults of the keys that may be left out.
const (
	DefaultRedirectURI = "http://localhost:8888/callback"
	DefaultScope       = "openid profile offline_access"
	DefaultLogLevel    = "INFO"
)

// Config is a valid configuration.
type Config struct {
	Path         string     // the file it was read from
	DomainURL    string     // origin of the identity domain, without a trailing slash
	ClientID     string     //
	ClientSecret SecretRef  // empty for an application without a secret
	RedirectURI  string     // exactly as registered
	Scope        string     // space-separated
	BaseURL      string     // llm_base_url, without a trailing slash
	AuthMethod   AuthMethod //
	LogLevel     slog.Level //
	LogFile      string     // absolute
}

// configFile is the file as it is written: every key with its default.
type configFile struct {
	Schema       string `json:"$schema"`
	DomainURL    string `json:"domain_url"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RedirectURI  string `json:"redirect_uri"`
	Scope        string `json:"scope"`
	BaseURL      string `json:"llm_base_url"`
	AuthMethod   string `json:"auth_method"`
	LogLevel     string `json:"log_level"`
	LogFile      string `json:"log_file"`
}

// maxConfigSize bounds what is read of a configuration or secret file, in bytes.
const maxConfigSize = 1 << 20

// LoadConfig reads the configuration that holds in a project directory: the
// file there, else the one in OpenCode's own configuration directory. Its error
// is a [problem.Problem] of kind Config that names file, line and key of all
// that is wrong, or the paths that were searched when there is no file.
func (p Places) LoadConfig(directory string) (Config, error) {
	paths := p.ConfigPaths(directory)
	for _, path := range paths {
		text, err := readLimited(path, maxConfigSize)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return Config{}, problem.New(problem.Config,
				fmt.Sprintf("The configuration %s cannot be read: %v.", path, plainCause(err)),
				"Make it a file that you can read.").Because(err)
		}
		return p.parseConfig(path, text)
	}
	return Config{}, problem.New(problem.Config,
		"No configuration was found. Searched:\n  "+strings.Join(paths, "\n  "),
		"Put "+ConfigName+" at one of these paths; the package's oci-auth.config.example.jsonc shows every key.")
}

// parseConfig checks the text of a configuration file.
func (p Places) parseConfig(path string, text []byte) (Config, error) {
	file := configFile{
		RedirectURI: DefaultRedirectURI,
		Scope:       DefaultScope,
		AuthMethod:  string(ConfidentialApp),
		LogLevel:    DefaultLogLevel,
		LogFile:     p.LogFile,
	}
	check := decodeObject(path, text, &file)
	if check.broken {
		return Config{}, check.problem()
	}

	if file.LogFile == "" {
		file.LogFile = p.LogFile
	}
	config := Config{
		Path:         path,
		DomainURL:    check.originURL("domain_url", file.DomainURL),
		ClientID:     check.required("client_id", file.ClientID),
		ClientSecret: p.secretRef(check, file.ClientSecret),
		RedirectURI:  check.redirectURI(file.RedirectURI),
		Scope:        check.scope(file.Scope),
		BaseURL:      check.baseURL(file.BaseURL),
		AuthMethod:   check.authMethod(file.AuthMethod),
		LogLevel:     check.logLevel(file.LogLevel),
		LogFile:      p.expand(file.LogFile, filepath.Dir(path)),
	}
	if config.AuthMethod == ConfidentialApp && file.ClientSecret == "" {
		check.add("client_secret", "is missing, and a confidential_app has one; "+
			`write "{file:~/.secrets/oci-client-secret}", or set auth_method to "mobile_app"`)
	}
	if len(check.lines) > 0 {
		return Config{}, check.problem()
	}
	return config, nil
}

// required returns the value of a key that must be there and filled in.
func (c *configCheck) required(key, value string) string {
	switch {
	case value == "":
		c.add(key, "is missing")
	case isPlaceholder(value):
		c.add(key, fmt.Sprintf("is still the placeholder %s; put your own value there", value))
	case strings.TrimSpace(value) != value || strings.ContainsAny(value, "\r\n\x00"):
		c.add(key, "has spaces or line breaks around it; remove them")
	}
	return value
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
	u, err := url.Parse(value)
	switch {
	case err != nil:
		c.add(key, "is not a web address; write it as https://host/…") // the value may hold a password
	case u.Hostname() == "" || !portOK(u) || (u.Scheme != "https" && u.Scheme != "http"):
		c.add(key, fmt.Sprintf("is not a web address: %q; write it as https://host/…", u.Redacted()))
	case u.User != nil:
		c.add(key, "holds a user name or password; remove them")
	case u.RawQuery != "" || u.Fragment != "":
		c.add(key, fmt.Sprintf("has a query or fragment: %q; remove it", value))
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
		c.add(key, fmt.Sprintf("has a path: %q; write only %s", value, origin))
	}
	return origin
}

func (c *configCheck) baseURL(value string) string {
	if u := c.webURL("llm_base_url", value); u == nil {
		return ""
	}
	return strings.TrimRight(value, "/")
}

// redirectURI checks that the helper itself can receive the redirect
// (RFC 8252, 7.3); the URI stays as it is written, because it is compared
// as text with the registered one.
func (c *configCheck) redirectURI(value string) string {
	before := len(c.lines)
	if c.required("redirect_uri", value); len(c.lines) > before {
		return ""
	}
	u, err := url.Parse(value)
	if err == nil && u.Scheme == "https" && isLoopback(u.Hostname()) {
		c.add("redirect_uri", fmt.Sprintf("is %q, but must begin with http: — it stays on this machine", value))
		return ""
	}
	if err != nil || !portOK(u) || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !isLoopback(u.Hostname()) {
		c.add("redirect_uri", fmt.Sprintf("is %q, but must be on this machine, such as %s, "+
			"and be registered in the application exactly like that", value, DefaultRedirectURI))
		return ""
	}
	return value
}

func (c *configCheck) scope(value string) string {
	scope := strings.Join(strings.Fields(value), " ")
	switch {
	case scope == "":
		c.add("scope", fmt.Sprintf("is empty; leave it out for %q", DefaultScope))
	case isPlaceholder(scope):
		c.add("scope", fmt.Sprintf("is still the placeholder %s; put your own value there", scope))
	}
	return scope
}

func (c *configCheck) authMethod(value string) AuthMethod {
	switch method := AuthMethod(value); method {
	case ConfidentialApp, MobileApp:
		return method
	default:
		c.add("auth_method", fmt.Sprintf("is %q; write one of confidential_app, mobile_app", value)+
			didYouMean(value, []string{string(ConfidentialApp), string(MobileApp)}))
		return ""
	}
}

func (c *configCheck) logLevel(value string) slog.Level {
	level, ok := logging.ParseLevel(value)
	if !ok {
		c.add("log_level", fmt.Sprintf("is %q; write one of %s", value, strings.Join(logging.Levels, ", "))+
			didYouMean(strings.ToUpper(value), logging.Levels))
	}
	return level
}

// portOK reports whether a URL's port, if it has one, is a port.
func portOK(u *url.URL) bool {
	if u.Port() == "" {
		return true
	}
	_, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil
}

// isLoopback reports whether a URL's host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// plainCause is the part of a file error that a person needs.
func plainCause(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// readLimited reads the file at path, which must be a regular file (or a link
// to one) of at most limit bytes.
func readLimited(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is not a file")}
	case info.Size() > limit:
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is larger than %d bytes", limit)}
	}
	return os.ReadFile(path)
}
