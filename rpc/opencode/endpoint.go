package opencode

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// An EndpointInfo says where a token may be sent, and with which TLS options. It is sent to
// the shim together with the token, so that no token can go to another session's endpoint.
type EndpointInfo struct {
	Provider string   `json:"-"`
	BaseURL  string   `json:"baseURL"`
	TLS      *TLSInfo `json:"tls,omitempty"`
}

// TLSInfo holds options for Bun's fetch.
type TLSInfo struct {
	RejectUnauthorized bool   `json:"rejectUnauthorized"`
	CA                 string `json:"ca,omitempty"`
}

// EndpointFor returns how OpenCode's runtime may send a token to an endpoint. The runtime's
// fetch obeys HTTPS_PROXY, NO_PROXY, NODE_EXTRA_CA_CERTS and SSL_CERT_FILE. The result adds
// ca_file, and overrides NODE_TLS_REJECT_UNAUTHORIZED, which would send the token to
// anybody who pretends to be the endpoint.
func EndpointFor(c config.Config, provider, runtime string) (*EndpointInfo, error) {
	e, ok := c.Endpoint(provider)
	if !ok {
		return nil, NoEndpoint(c, provider)
	}
	info := &EndpointInfo{Provider: e.Provider(), BaseURL: e.BaseURL}
	to, err := url.Parse(e.BaseURL)
	if err != nil {
		return nil, problem.New(problem.Config, e.Key()+" is not a web address.", "Write it as https://host/v1.").Because(err)
	}
	if to.Scheme == "http" {
		if runtime == Bun && seenByProxy(to) {
			return nil, problem.New(problem.Config,
				fmt.Sprintf("HTTP_PROXY is set, and OpenCode would send the token for %s, which is this machine, through the proxy in the clear.", to.Hostname()),
				fmt.Sprintf("Add %s to NO_PROXY.", to.Hostname()))
		}
		return info, nil
	}
	unchecked := os.Getenv("NODE_TLS_REJECT_UNAUTHORIZED")
	if unchecked == "0" && runtime == Node { // Node's fetch cannot override it
		return nil, problem.New(problem.Config,
			fmt.Sprintf("NODE_TLS_REJECT_UNAUTHORIZED is set, so that anybody could pass for %s and get the token.", to.Host),
			"Unset it where OpenCode is started; a company's CA is named in NODE_EXTRA_CA_CERTS.")
	}
	ca, err := c.EndpointNetwork().CompanyCAs()
	if err != nil {
		return nil, err
	}
	if ca != "" || unchecked != "" {
		info.TLS = &TLSInfo{true, ca}
	}
	return info, nil
}

// The runtimes of a host.
const (
	Bun  = "bun"
	Node = "node"
)

// seenByProxy reports whether Bun would use a proxy for a URL on this machine: unlike other
// programs, it makes no exception for loopback.
func seenByProxy(to *url.URL) bool {
	if cmp.Or(os.Getenv("http_proxy"), os.Getenv("HTTP_PROXY")) == "" {
		return false
	}
	for entry := range strings.SplitSeq(cmp.Or(os.Getenv("no_proxy"), os.Getenv("NO_PROXY")), ",") {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if slices.Contains([]string{"*", to.Hostname(), "[" + to.Hostname() + "]", to.Host}, entry) {
			return false
		}
	}
	return true
}

// Misdirected returns the problem of a request that is addressed to another origin than the
// endpoint's.
func Misdirected(c config.Config, e config.Endpoint, address string) *problem.Problem {
	return problem.New(problem.Config,
		fmt.Sprintf("The request goes to %s, but %s in %s is at %s: the token is sent there and nowhere else.", address, e.Key(), c.Source(e.Key()), e.Origin()),
		fmt.Sprintf("Make options.baseURL of the provider in opencode.json agree with %s, or remove it.", e.Key()))
}

// NoEndpoint returns the problem of a provider for which the configuration has no endpoint
// (any more).
func NoEndpoint(c config.Config, provider string) *problem.Problem {
	return problem.New(problem.Config, fmt.Sprintf("The configuration %s has no endpoint for OpenCode's provider %q.", c.Source("endpoints"), provider),
		"Write it under endpoints, or start OpenCode again and choose a model of another provider.")
}

// ProxyRefused returns the problem of a proxy that answers with 407.
func ProxyRefused(e config.Endpoint) *problem.Problem {
	return problem.New(problem.Network,
		fmt.Sprintf("The proxy on the way to %s wants a user name and password, or does not accept those that it was given.", e.Host()),
		"Put them into HTTPS_PROXY, as http://user:password@host:port, with special characters percent-encoded.")
}

// NoModels returns the problem of a request for the placeholder model.
func NoModels(e config.Endpoint) *problem.Problem {
	return problem.New(problem.Config,
		fmt.Sprintf("You are signed in, but no models of %s are known yet.", e.Host()),
		fmt.Sprintf(`Start OpenCode again. If there are none then either, "oci-oidc-helper models --refresh" tells why; you can also name them under provider.%s.models in opencode.json.`, e.Provider()))
}

// FetchFailed returns the problem of a fetch that failed with an error code of its runtime,
// or nil if the failure may pass, so that the host should try again.
func FetchFailed(c config.Config, e config.Endpoint, runtime, code string) *problem.Problem {
	to, err := url.Parse(e.BaseURL)
	if err != nil {
		return nil
	}
	if code == "UnsupportedProxyProtocol" {
		return problem.New(problem.Config, "OpenCode cannot use the proxy that HTTPS_PROXY names.",
			fmt.Sprintf("It must be an HTTP proxy; if %s is reached directly, add it to NO_PROXY.", to.Hostname()))
	}
	if !certificateCode().MatchString(code) {
		return nil
	}
	if strings.Contains(code, "ALTNAME") && net.ParseIP(to.Hostname()) != nil && strings.Contains(to.Host, "[") {
		return problem.New(problem.TLS, fmt.Sprintf("OpenCode does not accept the certificate of an IPv6 address, %s.", to.Host),
			fmt.Sprintf("Write a host name in %s in %s.", e.Key(), c.Source(e.Key())))
	}
	hint := fmt.Sprintf(`If your company inspects connections, name the file of its CA (PEM) as ca_file in %s, or in NODE_EXTRA_CA_CERTS. "oci-oidc-helper doctor" shows the certificate.`, c.Source("ca_file"))
	if ca := c.Network.CAFile; ca != "" && runtime == Node {
		hint = fmt.Sprintf("Set NODE_EXTRA_CA_CERTS to %s where OpenCode is started: it runs in Node here, which does not use ca_file.", ca)
	}
	return problem.New(problem.TLS, fmt.Sprintf("The certificate of %s was not accepted (%s).", to.Host, certificateCode().FindString(code)), hint)
}

var certificateCode = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Z0-9_]*(CERT|SELF_SIGNED|UNABLE_TO_VERIFY)[A-Z0-9_]*$`)
})

// Redirected returns the problem of an endpoint that answers with a redirect.
func Redirected(c config.Config, e config.Endpoint, location string) *problem.Problem {
	to := ""
	if base, err := url.Parse(e.BaseURL); err == nil && location != "" {
		if u, err := base.Parse(location); err == nil {
			to = fmt.Sprintf(" to %s://%s", u.Scheme, u.Host)
		}
	}
	return problem.New(problem.Config,
		fmt.Sprintf("The endpoint %s redirects%s; redirects are not followed, so that the token and the prompt stay where they belong.", e.Origin(), to),
		fmt.Sprintf("Set %s in %s to the address that answers itself, or ask who runs the endpoint.", e.Key(), c.Source(e.Key())))
}

// AsksForPlaceholder reports whether the beginning of a request's body names the
// placeholder model. The AI SDK writes the model first.
func AsksForPlaceholder(request string) bool {
	return strings.HasPrefix(request, fmt.Sprintf(`{"model":%q,`, placeholderModel))
}
