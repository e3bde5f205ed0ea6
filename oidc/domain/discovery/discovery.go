// Package discovery reads the discovery document of an identity domain (OpenID Connect
// Discovery 1.0), and decides which addresses of a domain may be used. It sends no request.
package discovery

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// Metadata is the part of a discovery document that we use (OIDC Discovery 1.0, 3).
type Metadata struct {
	Issuer, Authorization, Token, Device, Revocation, Keys string

	SendsIssuer bool     // authorization responses carry iss (RFC 9207, 3)
	AuthMethods []string // how a client may authenticate at the token endpoint

	// The endpoints to use with a client certificate (RFC 8705, 5).
	MTLS struct{ Token, Device, Revocation string }
}

// Read reads a discovery document. Members of a wrong type count as missing; odd has their
// names.
func Read(text []byte) (m Metadata, odd []string, err error) {
	document, err := lenient.ReadAnswer(text)
	if err != nil {
		return Metadata{}, nil, err
	}
	if inner := document.Object("openid-configuration"); len(inner.Raw) > 0 {
		document = inner
	}
	m = Metadata{
		Issuer: document.Single("issuer"), Authorization: document.Single("authorization_endpoint"), Token: document.Single("token_endpoint"),
		Device: document.Single("device_authorization_endpoint"), Revocation: document.Single("revocation_endpoint"), Keys: document.Single("jwks_uri"),
		SendsIssuer: document.Flag("authorization_response_iss_parameter_supported"), AuthMethods: document.List("token_endpoint_auth_methods_supported"),
	}
	aliases := document.Object("mtls_endpoint_aliases")
	m.MTLS.Token, m.MTLS.Device, m.MTLS.Revocation = aliases.Single("token_endpoint"), aliases.Single("device_authorization_endpoint"), aliases.Single("revocation_endpoint")
	return m, append(document.Odd, aliases.Odd...), nil
}

// Endpoints returns what is saved with the tokens, so that a refresh needs no discovery.
func (m *Metadata) Endpoints() tokens.Endpoints {
	// Every server must accept HTTP Basic (RFC 6749, 2.3.1), so the secret goes into the
	// form only if the document offers that and not Basic.
	inForm := slices.Contains(m.AuthMethods, "client_secret_post") && !slices.Contains(m.AuthMethods, "client_secret_basic")
	return tokens.Endpoints{Token: m.Token, Revocation: m.Revocation, SecretInForm: inForm}
}

// Paths returns the paths of the discovery document to try: below the issuer's path, if the
// configured issuer has one and is at the domain's host (OIDC Discovery 1.0, 4), then the
// standard path, then Oracle's.
func Paths(domain *url.URL, configuredIssuer string) []string {
	const standard = "/.well-known/openid-configuration"
	paths := []string{standard, "/.well-known/idcs-configuration"}
	issuer, err := url.Parse(configuredIssuer)
	if err == nil && strings.EqualFold(issuer.Host, domain.Host) && strings.Trim(issuer.Path, "/") != "" {
		paths = slices.Insert(paths, 0, strings.TrimRight(issuer.EscapedPath(), "/")+standard)
	}
	return paths
}

// UseClientCertificate replaces the endpoints by those for clients with a certificate.
func (m *Metadata) UseClientCertificate() {
	m.Token = cmp.Or(m.MTLS.Token, m.Token)
	m.Device = cmp.Or(m.MTLS.Device, m.Device)
	m.Revocation = cmp.Or(m.MTLS.Revocation, m.Revocation)
}

// Complete fills in the endpoints of Oracle's domains where the document leaves some out
// (Oracle's leave out the device endpoint), and checks that each one is at the domain and
// secure. odd has the names of those that had to be corrected.
func (m *Metadata) Complete(domain *url.URL) (odd []string, err error) {
	for _, endpoint := range []struct {
		name string
		url  *string
		path string
	}{
		{"authorization_endpoint", &m.Authorization, "/oauth2/v1/authorize"},
		{"token_endpoint", &m.Token, "/oauth2/v1/token"},
		{"device_authorization_endpoint", &m.Device, "/oauth2/v1/device"},
		{"revocation_endpoint", &m.Revocation, "/oauth2/v1/revoke"},
		{"jwks_uri", &m.Keys, "/admin/v1/SigningCert/jwk"},
	} {
		if *endpoint.url == "" {
			*endpoint.url = domain.String() + endpoint.path
		}
		named := *endpoint.url
		if *endpoint.url = Absolute(domain, named); *endpoint.url != named {
			odd = append(odd, endpoint.name)
		}
		if !SecureURL(*endpoint.url) {
			return odd, problem.New(problem.Domain,
				fmt.Sprintf("The domain %s names a %s that is not the https address of a host, or has a user name in it.", domain.Host, endpoint.name),
				"Check domain_url; if it is right, ask your administrator.")
		}
		if !Owns(domain, *endpoint.url) && endpoint.url != &m.Keys {
			elsewhere, _ := url.Parse(*endpoint.url)
			return odd, problem.New(problem.Domain,
				fmt.Sprintf("The domain %s names a %s at another host, %s.", domain.Host, endpoint.name, lenient.Printable(elsewhere.Host, 100)),
				"If that is your domain's own address, set domain_url to it; if you do not know it, ask your administrator.")
		}
	}
	return odd, nil
}

// Absolute returns the URL that an address in an answer of the domain stands for: a path is at
// the domain itself, and http is a mistake for https, made by servers behind a proxy.
func Absolute(domain *url.URL, address string) string {
	address = strings.TrimSpace(address)
	at, err := domain.Parse(address)
	if err != nil || !strings.HasPrefix(address, "/") && !strings.HasPrefix(strings.ToLower(address), "http:") {
		return address
	}
	return Secured(at.String())
}

// Owns reports whether the URL is at the domain's own host. Codes, secrets and tokens are
// sent to no other host, which prevents mix-up attacks (RFC 9700, 4.4). The port may
// differ, because Oracle's domains write it in some URLs only, and so may the region in
// the host name if the tenant is the same.
func Owns(domain *url.URL, text string) bool {
	u, err := url.Parse(text)
	if err != nil || !SecureURL(text) {
		return false
	}
	host, own := strings.ToLower(u.Hostname()), strings.ToLower(domain.Hostname())
	return host == own || oracleTenant(own) != "" && oracleTenant(host) == oracleTenant(own)
}

// oracleTenant returns the first label of a host name below identity.oraclecloud.com,
// which is unique to a tenant. For other hosts it returns "".
func oracleTenant(host string) string {
	if !strings.HasSuffix(host, ".identity.oraclecloud.com") {
		return ""
	}
	tenant, _, _ := strings.Cut(host, ".")
	return tenant
}

// maxURLSize is the longest URL that is accepted from a domain, in bytes.
const maxURLSize = 4 << 10

// SecureURL reports whether secrets may be sent to the URL and a person may be asked to
// open it: it is https, or http to this machine, and has a host in ASCII and no password.
func SecureURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "" || len(text) > maxURLSize {
		return false
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > unicode.MaxASCII }) {
		return false // an internationalised name must be in its ASCII form, xn--…
	}
	return u.Scheme == "https" || u.Scheme == "http" && network.Loopback(u.Hostname())
}

// Secured returns the address with http replaced by https, unless it is on this machine,
// because Oracle's domains give an http URL for their own page. It also escapes characters
// that are not allowed in a URL. If the address cannot be parsed, it returns "".
func Secured(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.Scheme == "http" && !network.Loopback(u.Hostname()) {
		u.Scheme, u.Host = "https", strings.TrimSuffix(u.Host, ":80")
	}
	return u.String()
}
