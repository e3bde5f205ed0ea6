//go:build !windows

package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// For every path that a configuration or the environment can name, and every kind of file that
// can be there: no command blocks on it or changes it, and doctor says what it is.
func TestPathsThatAreNoRegularFile(t *testing.T) {
	for _, kind := range []struct {
		name string
		make func(path string) error
		says string
	}{
		{"a pipe", func(path string) error { return syscall.Mkfifo(path, 0o644) }, "is a named pipe, not a file"},
		{"a link to a pipe", func(path string) error {
			if err := syscall.Mkfifo(path+".pipe", 0o644); err != nil {
				return err
			}
			return os.Symlink(path+".pipe", path)
		}, "is a named pipe, not a file"},
		{"a link to a device", func(path string) error { return os.Symlink("/dev/zero", path) }, "is a device, not a file"},
		{"a socket", func(path string) error {
			short, err := os.MkdirTemp("", "s") // the path of a socket has an end
			if err != nil {
				return err
			}
			defer os.RemoveAll(short)
			listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(short, "s")})
			if err != nil {
				return err
			}
			listener.SetUnlinkOnClose(false)
			defer listener.Close()
			return os.Rename(filepath.Join(short, "s"), path)
		}, "is a socket, not a file"},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o755) }, "is a directory, not a file"},
		{"a GiB", func(path string) error {
			file, err := os.Create(path)
			if err != nil {
				return err
			}
			defer file.Close()
			return file.Truncate(1 << 30)
		}, "is larger than"},
		{"a link to nothing", func(path string) error { return os.Symlink(path+".pipe", path) }, "is a link to what does not exist"},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			c := newComputer(t)
			tokens := c.tokenFile().Path()
			lock := strings.TrimSuffix(tokens, ".json") + ".lock"
			for _, row := range []struct {
				where string
				path  string // "" for a new one
				name  func(path string)
			}{
				{"log_file", "", func(path string) { c.keys["log_file"] = path }},
				{"client_secret", "", func(path string) { c.keys["client_secret"] = "{file:" + path + "}" }},
				{"ca_file", "", func(path string) { c.keys["ca_file"] = path }},
				{"tls_client_cert", "", func(path string) { c.keys["tls_client_cert"] = path }},
				{"tls_client_key", "", func(path string) {
					c.keys["tls_client_cert"], c.keys["tls_client_key"] = c.somebody(), path
				}},
				{"NODE_EXTRA_CA_CERTS", "", func(path string) { c.setenv("NODE_EXTRA_CA_CERTS", path) }},
				{"SSL_CERT_FILE", "", func(path string) { c.setenv("SSL_CERT_FILE", path) }},
				{"the saved tokens", tokens, nil},
				{"their lock", lock, nil},
				{"OpenCode's configuration", c.path(".config/opencode/opencode.json"), nil},
				{"a project's configuration", c.path("project/" + config.Name), nil},
				{"the configuration", c.path(".config/opencode/" + config.Name), nil},
			} {
				t.Run(row.where, func(t *testing.T) {
					c.T = t
					path := row.path
					if path == "" {
						path = filepath.Join(c.home, "x")
					}
					keys, env, before := maps.Clone(c.keys), maps.Clone(c.env), []byte(nil)
					if row.path != "" {
						before, _ = os.ReadFile(path)
						c.mkdir(strings.TrimPrefix(filepath.Dir(path), c.home+"/"), 0o700)
						c.check(os.RemoveAll(path))
					}
					if row.name != nil {
						row.name(path)
						c.configure()
					}
					c.check(kind.make(path))
					was, _ := os.Stat(path)
					report, _ := c.examine()
					_, said, _ := c.run("token")
					if strings.Contains(said, "panic") {
						t.Error(said)
					}
					if is, _ := os.Stat(path); was != nil && (is == nil || is.Mode() != was.Mode()) && kind.name != "a GiB" {
						t.Errorf("%v has become %v", was.Mode(), is)
					}
					var all []string
					for _, finding := range report.Findings {
						all = append(all, append(slices.Clone(finding.Details), finding.Message)...)
					}
					told := strings.Join(all, "\n")
					quiet := row.where == "OpenCode's configuration" || // which has another one beside it
						kind.name == "a link to nothing" && slices.Contains([]string{"log_file", "their lock"}, row.where) || // is made there
						kind.name == "a GiB" && slices.Contains([]string{"log_file", "their lock"}, row.where)
					if says := kind.says; !quiet && !strings.Contains(told, says) && !strings.Contains(told, "it is a link") {
						t.Errorf("%q is not told:\n%s", says, told)
					}
					c.check(os.RemoveAll(path))
					c.check(os.RemoveAll(path + ".pipe"))
					if before != nil {
						c.check(os.WriteFile(path, before, 0o600))
					}
					c.keys, c.env = keys, env
					c.configure()
				})
			}
		})
	}
}

// somebody writes a client certificate and returns its path.
func (c *computer) somebody() string {
	one, _ := certificate(c.T, &x509.Certificate{Subject: pkix.Name{CommonName: "maria"}, NotBefore: aDayAgo, NotAfter: inTwoDays}, nil, nil)
	c.write("client.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one.Raw})))
	return c.path("client.pem")
}

// If init finds something that is no file where it would write, it says what that is, and not
// that there is a configuration already.
func TestInitTellsWhatIsInTheWay(t *testing.T) {
	c := newComputer(t)
	for _, row := range []struct {
		says string
		make func(configs string) error // in an empty home
	}{
		{config.Name + " cannot be read, because one of its directories is a file.", func(configs string) error { return os.WriteFile(configs, nil, 0o600) }},
		{config.Name + " is a directory, not a file.", func(configs string) error { return os.MkdirAll(filepath.Join(configs, config.Name), 0o700) }},
		{config.Name + " cannot be read: too many levels of symbolic links.", func(configs string) error {
			return errors.Join(os.Mkdir(configs, 0o700), os.Symlink(config.Name, filepath.Join(configs, config.Name)))
		}},
		{"OpenCode's configuration CONFIGS/opencode.json is a named pipe, not a file.", func(configs string) error {
			return errors.Join(os.Mkdir(configs, 0o700), syscall.Mkfifo(filepath.Join(configs, "opencode.json"), 0o600))
		}},
	} {
		c.T = t
		c.check(os.RemoveAll(c.path(".config")))
		c.mkdir(".config", 0o700)
		configs := c.path(".config/opencode")
		c.check(row.make(configs))
		_, said, code := c.run("init", "--domain-url", "https://idcs.example", "--auth-method", "mobile_app", "--client-id", "x", "--llm-base-url", "https://llm.example/v1", "--model", "m", "--offline")
		if says := strings.Replace(row.says, "CONFIGS", configs, 1); code != exitUsage || !strings.Contains(said, says) {
			t.Errorf("exit code %d: %s\nwant %s", code, said, says)
		}
	}
}
