// Package domain implements the protocol of an OCI IAM identity domain: discovery,
// client authentication, authorization, device and token requests, ID tokens, and the
// meaning of error responses. It does not decide when to refresh, and saves nothing.
//
// Texts from the domain are made safe to show and to log. The package refuses an endpoint
// that is neither https nor on this machine (http elsewhere is taken for https), and one at another host than the domain's.
// Where Oracle's domains deviate from a specification, a comment says so.
package domain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A Domain sends requests to one identity domain on behalf of one registered application.
// It is safe for concurrent use. Every error that its methods return is a
// [problem.Problem].
type Domain struct {
	url       *url.URL // the domain's origin, without a path
	config    config.Config
	transport http.RoundTripper
	log       *slog.Logger

	metadata    atomic.Pointer[metadata] // nil before the first successful discovery
	discovering chan struct{}            // a mutex around discovery that a context can stop waiting for

	skew atomic.Int64 // see ClockSkew, in nanoseconds
}

// New returns the domain of a configuration. It sends no request. If domain_url is not a
// URL, it returns a problem of kind Config.
func New(config config.Config, log *slog.Logger) (*Domain, error) {
	u, err := url.Parse(config.DomainURL)
	if err != nil {
		return nil, problem.New(problem.Config, "domain_url is not a web address.", "Write it as https://host.").Because(err)
	}
	return &Domain{url: u, config: config, transport: config.Network, log: log, discovering: make(chan struct{}, 1)}, nil
}

// Host returns the domain's host, with its port if the URL has one, for messages.
func (d *Domain) Host() string { return d.url.Host }

// UseTransport sends requests through t instead of the network, for simulations. Call it
// before using the domain.
func (d *Domain) UseTransport(t http.RoundTripper) { d.transport = t }

// metadata is the part of the discovery document that we use (OIDC Discovery 1.0, 3).
type metadata struct {
	Issuer, Authorization, Token, Device, Revocation, Keys string

	SendsIssuer bool     // authorization responses carry iss (RFC 9207, 3)
	AuthMethods []string // how a client may authenticate at the token endpoint

	// The endpoints to use with a client certificate (RFC 8705, 5).
	MTLS struct{ Token, Device, Revocation string }
}

// readMetadata reads a discovery document. Members of a wrong type count as missing; odd
// has their names.
func readMetadata(text []byte) (m metadata, odd []string, err error) {
	document, err := lenient.ReadAnswer(text)
	if err != nil {
		return metadata{}, nil, err
	}
	if inner := document.Object("openid-configuration"); len(inner.Raw) > 0 {
		document = inner
	}
	m = metadata{
		Issuer: document.Single("issuer"), Authorization: document.Single("authorization_endpoint"), Token: document.Single("token_endpoint"),
		Device: document.Single("device_authorization_endpoint"), Revocation: document.Single("revocation_endpoint"), Keys: document.Single("jwks_uri"),
		SendsIssuer: document.Flag("authorization_response_iss_parameter_supported"), AuthMethods: document.List("token_endpoint_auth_methods_supported"),
	}
	aliases := document.Object("mtls_endpoint_aliases")
	m.MTLS.Token, m.MTLS.Device, m.MTLS.Revocation = aliases.Single("token_endpoint"), aliases.Single("device_authorization_endpoint"), aliases.Single("revocation_endpoint")
	return m, append(document.Odd, aliases.Odd...), nil
}

func (m *metadata) endpoints() tokens.Endpoints {
	// Every server must accept HTTP Basic (RFC 6749, 2.3.1), so the secret goes into the
	// form only if the document offers that and not Basic.
	inForm := slices.Contains(m.AuthMethods, "client_secret_post") && !slices.Contains(m.AuthMethods, "client_secret_basic")
	return tokens.Endpoints{Token: m.Token, Revocation: m.Revocation, SecretInForm: inForm}
}

// discover returns the domain's metadata. It requests it until that succeeds once.
func (d *Domain) discover(ctx context.Context) (*metadata, error) {
	if m := d.metadata.Load(); m != nil {
		return m, nil
	}
	select {
	case d.discovering <- struct{}{}:
		defer func() { <-d.discovering }()
	case <-ctx.Done():
		return nil, problem.From(context.Cause(ctx))
	}
	if m := d.metadata.Load(); m != nil {
		return m, nil
	}
	m, err := d.fetchMetadata(ctx)
	if err != nil {
		return nil, err
	}
	d.metadata.Store(m)
	return m, nil
}

// fetchMetadata requests the discovery document from the standard path, then from
// Oracle's. Without a document it uses the endpoints that all of Oracle's domains have.
func (d *Domain) fetchMetadata(ctx context.Context) (*metadata, error) {
	for _, path := range d.discoveryPaths() {
		m, err := d.fetchDocument(ctx, path)
		if errors.Is(err, errNotFound) {
			d.log.Info("no discovery document", "path", path)
			continue
		}
		if err != nil {
			return nil, err
		}
		return d.complete(m)
	}
	return d.complete(&metadata{})
}

// discoveryPaths returns the paths of the discovery document to try: below the issuer's
// path, if the configured issuer has one and is at the domain's host (OIDC Discovery 1.0,
// 4), then the standard path, then Oracle's.
func (d *Domain) discoveryPaths() []string {
	const standard = "/.well-known/openid-configuration"
	paths := []string{standard, "/.well-known/idcs-configuration"}
	issuer, err := url.Parse(d.config.Issuer)
	if err == nil && strings.EqualFold(issuer.Host, d.url.Host) && strings.Trim(issuer.Path, "/") != "" {
		paths = slices.Insert(paths, 0, strings.TrimRight(issuer.EscapedPath(), "/")+standard)
	}
	return paths
}

// errNotFound means that the domain answered a request for its document with 404.
var errNotFound = errors.New("not found")

func (d *Domain) fetchDocument(ctx context.Context, path string) (*metadata, error) {
	const step = "read the domain's discovery document"
	x := d.get(ctx, d.url.String()+path)
	switch {
	case x.Err != nil:
		return nil, d.fault(step, x, x.Err)
	case x.Status == http.StatusNotFound:
		return nil, errNotFound
	case x.Status != http.StatusOK:
		return nil, d.fault(step, x, &refusal{})
	}
	m, odd, err := readMetadata(x.Body)
	if err != nil {
		return nil, d.fault(step, x, err)
	}
	if len(odd) > 0 {
		d.log.Warn("the domain's discovery document is odd", "members", odd)
	}
	return &m, nil
}

// complete fills in endpoints that the discovery document leaves out (Oracle's leave out
// the device endpoint), and checks that each one is at the domain and secure.
func (d *Domain) complete(m *metadata) (*metadata, error) {
	if d.config.Issuer != "" {
		m.Issuer = d.config.Issuer
	}
	if d.config.Network.ClientCert != "" {
		m.Token = cmp.Or(m.MTLS.Token, m.Token)
		m.Device = cmp.Or(m.MTLS.Device, m.Device)
		m.Revocation = cmp.Or(m.MTLS.Revocation, m.Revocation)
	}
	for _, endpoint := range []struct {
		name string
		url  *string
		path string
	}{
		{"authorization_endpoint", &m.Authorization, "/oauth2/v1/authorize"},
		{"token_endpoint", &m.Token, "/oauth2/v1/token"},
		{"device_authorization_endpoint", &m.Device, "/oauth2/v1/device"},
		{"revocation_endpoint", &m.Revocation, "/oauth2/v1/revoke"},
		{"jwks_uri", &m.Keys, keysPath},
	} {
		if *endpoint.url == "" {
			*endpoint.url = d.url.String() + endpoint.path
		}
		named := *endpoint.url
		if *endpoint.url = d.absolute(named); *endpoint.url != named {
			d.log.Warn("the domain's discovery document is odd", "members", []string{endpoint.name})
		}
		if !SecureURL(*endpoint.url) {
			return nil, problem.New(problem.Domain,
				fmt.Sprintf("The domain %s names a %s that is not the https address of a host, or has a user name in it.", d.url.Host, endpoint.name),
				"Check domain_url; if it is right, ask your administrator.")
		}
		if !d.owns(*endpoint.url) && endpoint.url != &m.Keys {
			elsewhere, _ := url.Parse(*endpoint.url)
			return nil, problem.New(problem.Domain,
				fmt.Sprintf("The domain %s names a %s at another host, %s.", d.url.Host, endpoint.name, lenient.Printable(elsewhere.Host, 100)),
				"If that is your domain's own address, set domain_url to it; if you do not know it, ask your administrator.")
		}
	}
	return m, nil
}

// absolute returns the URL that an address in the discovery document stands for: a path is
// at the domain itself, and http is a mistake for https, made by servers behind a proxy.
func (d *Domain) absolute(address string) string {
	address = strings.TrimSpace(address)
	at, err := d.url.Parse(address)
	if err != nil || !strings.HasPrefix(address, "/") && !strings.HasPrefix(strings.ToLower(address), "http:") {
		return address
	}
	return Secured(at.String())
}

// owns reports whether the URL is at the domain's own host. Codes, secrets and tokens are
// sent to no other host, which prevents mix-up attacks (RFC 9700, 4.4). The port may
// differ, because Oracle's domains write it in some URLs only, and so may the region in
// the host name if the tenant is the same.
func (d *Domain) owns(text string) bool {
	u, err := url.Parse(text)
	if err != nil || !SecureURL(text) {
		return false
	}
	host, own := strings.ToLower(u.Hostname()), strings.ToLower(d.url.Hostname())
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

// learnClock updates the clock skew from an answer.
func (d *Domain) learnClock(x *exchange.Exchange) {
	if skew, ok := x.ClockSkew(); ok {
		d.skew.Store(int64(skew))
	}
}

// ClockSkew returns how far the domain's clock is ahead of this machine's (negative if
// behind), from the Date header of its last answer and so exact to a second or two. It is
// 0 before the first answer.
func (d *Domain) ClockSkew() time.Duration { return time.Duration(d.skew.Load()) }

// An Outcome says what became of a token request that failed.
type Outcome struct {
	Sent       bool          // the request left this machine
	Unknown    bool          // no usable answer came, and the domain may have used up the refresh token
	RetryAfter time.Duration // how long the domain asked us to wait (Retry-After); 0 if it did not
}

// Refresh requests new tokens with the refresh token (RFC 6749, 6). If the answer has no
// new refresh token, the old one stays in tok. No discovery is needed if old has
// endpoints, except with a client key.
//
// Refresh can return both tokens and an error, for example if the answer has a refresh
// token but no usable access token. The caller must save them: the old refresh token may
// be used up.
func (d *Domain) Refresh(ctx context.Context, old tokens.Tokens) (tok tokens.Tokens, outcome Outcome, err error) {
	const step = "refresh the session"
	endpoints := old.Endpoints
	// A client assertion also needs the issuer and the domain's clock.
	if !d.owns(endpoints.Token) || !d.config.ClientKey.None() {
		m, err := d.discover(ctx)
		if err != nil {
			return tokens.Tokens{}, Outcome{}, err
		}
		endpoints = m.endpoints()
	}
	client, err := d.client(endpoints)
	if err != nil {
		return tokens.Tokens{}, Outcome{}, err
	}
	form := d.resources()
	form.Set("grant_type", "refresh_token")
	form.Set("refresh_token", old.Refresh.Reveal())
	x := d.post(ctx, endpoints.Token, client, form)
	answer, err := d.readAnswer(x)
	if err != nil && answer.Access+answer.Refresh == "" {
		outcome = Outcome{Sent: x.Sent.Load(), Unknown: x.Unknown(), RetryAfter: x.RetryAfter()}
		return tokens.Tokens{}, outcome, d.fault(step, x, err)
	}
	if err := idtoken.CheckSamePerson(answer.ID, old.Subject); err != nil {
		return tokens.Tokens{}, Outcome{Sent: true, Unknown: true}, err
	}
	cutOff := err != nil && answer.Refresh == ""
	tok, err = d.refreshedTokens(old, answer, endpoints)
	if cutOff {
		tok.RefreshSentAt = time.Now().Round(0) // the missing part may have had a new refresh token
	}
	return tok, Outcome{Sent: true}, err
}

// Revoke revokes the refresh token (RFC 7009). Oracle's domains revoke refresh tokens
// only; an access token stays valid until it expires.
func (d *Domain) Revoke(ctx context.Context, tok tokens.Tokens) error {
	const step = "revoke the session at the domain"
	endpoints := tok.Endpoints
	if !d.owns(endpoints.Revocation) || !d.config.ClientKey.None() {
		m, err := d.discover(ctx)
		if err != nil {
			return err
		}
		endpoints = m.endpoints()
	}
	client, err := d.client(endpoints)
	if err != nil {
		return err
	}
	x := d.post(ctx, endpoints.Revocation, client, url.Values{"token": {tok.Refresh.Reveal()}, "token_type_hint": {"refresh_token"}})
	return d.checkStatus(step, x)
}

// checkStatus returns nil if the answer has a 2xx status, whatever its body.
func (d *Domain) checkStatus(step string, x *exchange.Exchange) error {
	switch _, err := d.readAnswer(x); {
	case x.Err != nil:
		return d.fault(step, x, x.Err)
	case x.Status/100 != 2:
		return d.fault(step, x, err)
	}
	return nil
}
