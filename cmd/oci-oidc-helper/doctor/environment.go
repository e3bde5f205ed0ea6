package doctor

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

func checkPlatform(_ context.Context, p *patient) Finding {
	message := fmt.Sprintf("oci-oidc-helper %s on %s-%s", p.Version, runtime.GOOS, runtime.GOARCH)
	places := surroundings()
	if len(places) == 0 {
		return ok(message)
	}
	found := ok(message + ", " + strings.Join(places, ", "))
	found.Details = []string{`If the browser is on another machine, sign in with a code: "oci-oidc-helper connect --flow device".`}
	return found
}

// surroundings tell where a browser or a port may not be where one thinks.
func surroundings() []string {
	var found []string
	if release, _ := os.ReadFile("/proc/version"); os.Getenv("WSL_DISTRO_NAME") != "" || bytes.Contains(bytes.ToLower(release), []byte("microsoft")) {
		found = append(found, "in WSL")
	}
	if os.Getenv("SSH_CONNECTION") != "" {
		found = append(found, "over SSH")
	}
	if exists("/.dockerenv") || exists("/run/.containerenv") || os.Getenv("REMOTE_CONTAINERS") != "" || os.Getenv("container") != "" {
		found = append(found, "in a container")
	}
	return found
}

// proxyVariables are those that both the helper and OpenCode honour.
var proxyVariables = []string{"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"}

func checkProxyVariables(_ context.Context, _ *patient) Finding {
	var set []string
	for _, name := range proxyVariables {
		for _, name := range []string{name, strings.ToLower(name)} {
			value := os.Getenv(name)
			if value == "" || slices.ContainsFunc(set, func(s string) bool { return strings.EqualFold(s, name+"="+value) }) {
				continue
			}
			if strings.EqualFold(name, "NO_PROXY") {
				set = append(set, name+"="+value)
				continue
			}
			u, err := parseProxy(value)
			if err != nil {
				return fail(problem.Config, name+" is not the address of a proxy.", "Write it as http://host:port, or http://user:password@host:port.")
			}
			set = append(set, name+"="+u.Redacted())
		}
	}
	if len(set) == 0 {
		return ok("no proxy is set")
	}
	if os.Getenv("ALL_PROXY")+os.Getenv("all_proxy") != "" && os.Getenv("HTTPS_PROXY")+os.Getenv("https_proxy") == "" {
		return warn("ALL_PROXY is set, which the helper does not read.", "Set HTTPS_PROXY as well.", set...)
	}
	return ok("a proxy is set", set...)
}

// parseProxy reads the value of a proxy variable as net/http does: the scheme may
// be left out.
func parseProxy(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err == nil && (u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme)) {
		err = errors.New("no host, or an unknown scheme")
	}
	return u, err
}

// checkCAVariables looks at what makes a company's own CA known: each program reads
// its own variable.
func checkCAVariables(_ context.Context, _ *patient) Finding {
	var set []string
	for _, name := range []string{"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"} {
		path := os.Getenv(name)
		if path == "" {
			continue
		}
		certificates, err := readCertificates(path)
		if err != nil {
			return fail(problem.Config, fmt.Sprintf("%s names %s, which %v.", name, path, err),
				"Correct the variable; it must name a file of certificates in PEM form.")
		}
		set = append(set, fmt.Sprintf("%s=%s (%d certificates)", name, path, certificates))
	}
	if dir := os.Getenv("SSL_CERT_DIR"); dir != "" {
		set = append(set, "SSL_CERT_DIR="+dir)
	}
	if len(set) == 0 {
		return ok("no CA of your own is set")
	}
	return ok("a CA of your own is set", set...)
}

func readCertificates(path string) (count int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, errors.New("cannot be read")
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); err == nil {
			count++
		}
	}
	if count == 0 {
		return 0, errors.New("holds no certificate")
	}
	return count, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
