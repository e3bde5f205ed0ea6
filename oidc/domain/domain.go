// Package domain speaks the protocol of an OCI IAM identity domain: discovery,
// client authentication, authorization, device and token requests, ID tokens, and
// what its refusals mean. It decides nothing and keeps nothing.
//
// It promises that what the domain says is harmless where it is shown or logged. It
// refuses an endpoint that is neither https nor on this machine, or at another host
// than the domain's. Oracle's domains differ from the specifications in places; each
// such place says so where it is handled.
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

// A Domain speaks the protocol of one identity domain on behalf of one
// registered application. It decides nothing. It is safe for concurrent use.
//
// Every error of its methods is a [problem.Problem].
type Domain struct {
	url       *url.URL // origin
	config    config.Config
	transport http.RoundTripper
	log       *slog.Logger

	metadata    atomic.Pointer[metadata] // once discovered
	discovering chan struct{}            // held by who asks

	skew atomic.Int64 // nanoseconds the domain's clock is ahead of ours
}

// New returns the domain of a configuration. It makes no request.
func New(config config.Config, log *slog.Logger) (*Domain, error) {
	u, err := url.Parse(config.DomainURL)
	if err != nil {
		return nil, problem.New(problem.Config, "domain_url is not a web address.", "Write it as https://host.").Because(err)
	}
	return &Domain{url: u, config: config, transport: config.Network, log: log, discovering: make(chan struct{}, 1)}, nil
}

// Host is the domain's host and port, for messages.
func (d *Domain) Host() string { return d.url.Host }

// UseTransport reaches the domain by another way than the network: for simulations.
// It is to be called before the domain is used.
func (d *Domain) UseTransport(t http.RoundTripper) { d.transport = t }

// metadata is what we need of the discovery document (OIDC Discovery 1.0, 3).
type metadata struct {
	Issuer, Authorization, Token, Device, Revocation, Keys string

	SendsIssuer bool // RFC 9207, 3
	SecretWays  []string

	// Where to go with a client certificate (RFC 8705, 5).
	MTLS struct{ Token, Device, Revocation string }
}

// readMetadata reads a discovery document. A member of another type than it should be
// counts as not there; the names of those are returned.
func readMetadata(text []byte) (m metadata, odd []string, err error) {
	document, err := lenient.Read(text)
	if err != nil {
		return metadata{}, nil, err
	}
	if inner := document.Object("openid-configuration"); len(inner.Raw) > 0 {
		document = inner
	}
	m = metadata{
		Issuer: document.Single("issuer"), Authorization: document.Single("authorization_endpoint"), Token: document.Single("token_endpoint"),
		Device: document.Single("device_authorization_endpoint"), Revocation: document.Single("revocation_endpoint"), Keys: document.Single("jwks_uri"),
		SendsIssuer: document.Flag("authorization_response_iss_parameter_supported"), SecretWays: document.List("token_endpoint_auth_methods_supported"),
	}
	aliases := document.Object("mtls_endpoint_aliases")
	m.MTLS.Token, m.MTLS.Device, m.MTLS.Revocation = aliases.Single("token_endpoint"), aliases.Single("device_authorization_endpoint"), aliases.Single("revocation_endpoint")
	return m, append(document.Odd, aliases.Odd...), nil
}

func (m *metadata) endpoints() tokens.Endpoints {
	// HTTP Basic is what every server must know (RFC 6749, 2.3.1), unless it says
	// otherwise.
	inForm := slices.Contains(m.SecretWays, "client_secret_post") && !slices.Contains(m.SecretWays, "client_secret_basic")
	return tokens.Endpoints{Token: m.Token, Revocation: m.Revocation, SecretInForm: inForm}
}

// discover returns the domain's metadata, asking for it once.
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

// fetchMetadata asks at the standard place, then at Oracle's own, and falls back
// on the paths that all of Oracle's domains have.
func (d *Domain) fetchMetadata(ctx context.Context) (*metadata, error) {
	for _, path := range d.discoveryPaths() {
		m, err := d.fetchDocument(ctx, path)
		if errors.Is(err, errNotThere) {
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

// discoveryPaths are where the document may be: at the standard place, which is
// below an issuer with a path at the domain's own host (OIDC Discovery 1.0, 4), or
// at Oracle's own.
func (d *Domain) discoveryPaths() []string {
	const standard = "/.well-known/openid-configuration"
	paths := []string{standard, "/.well-known/idcs-configuration"}
	issuer, err := url.Parse(d.config.Issuer)
	if err == nil && strings.EqualFold(issuer.Host, d.url.Host) && strings.Trim(issuer.Path, "/") != "" {
		paths = slices.Insert(paths, 0, strings.TrimRight(issuer.EscapedPath(), "/")+standard)
	}
	return paths
}

// errNotThere is the cause of a 404.
var errNotThere = errors.New("not found")

func (d *Domain) fetchDocument(ctx context.Context, path string) (*metadata, error) {
	const step = "read the domain's discovery document"
	x := d.get(ctx, d.url.String()+path)
	switch {
	case x.Err != nil:
		return nil, d.fault(step, x, x.Err)
	case x.Status == http.StatusNotFound:
		return nil, errNotThere
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

// complete fills in what Oracle's discovery documents leave out, the device
// endpoint first of all, and checks where the endpoints are.
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
		if !SecureURL(*endpoint.url) {
			return nil, problem.New(problem.Domain,
				fmt.Sprintf("The domain %s names a %s that is neither https nor on this machine.", d.url.Host, endpoint.name),
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

// owns reports whether the URL is at the domain's own host, where alone codes,
// secrets and tokens are sent: an endpoint elsewhere is the way of a mix-up
// attack (RFC 9700, 4.4). The port may differ, which Oracle's domains write in
// some places only, and so may the region in the name of the same tenant.
func (d *Domain) owns(text string) bool {
	u, err := url.Parse(text)
	if err != nil || !SecureURL(text) {
		return false
	}
	host, own := strings.ToLower(u.Hostname()), strings.ToLower(d.url.Hostname())
	return host == own || oracleTenant(own) != "" && oracleTenant(host) == oracleTenant(own)
}

// oracleTenant is the first label of a name that Oracle gives to a domain, which
// is the tenant's alone, or "".
func oracleTenant(host string) string {
	if !strings.HasSuffix(host, ".identity.oraclecloud.com") {
		return ""
	}
	tenant, _, _ := strings.Cut(host, ".")
	return tenant
}

// maxURLSize is the longest address that a domain may name, in bytes.
const maxURLSize = 4 << 10

// SecureURL reports whether a secret may be sent to, or a person led to, the URL:
// https, or http to this machine.
func SecureURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Opaque != "" || len(text) > maxURLSize {
		return false
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r <= ' ' || r > unicode.MaxASCII }) {
		return false // a name in its own script is written xn--
	}
	return u.Scheme == "https" || u.Scheme == "http" && network.Loopback(u.Hostname())
}

// learnClock notes how far the domain's clock is ahead of ours.
func (d *Domain) learnClock(x *exchange.Exchange) {
	if skew, ok := x.ClockSkew(); ok {
		d.skew.Store(int64(skew))
	}
}

// ClockSkew returns how far the domain's clock is ahead of this machine's,
// within a second or two, as its last answer told; 0 before any answer.
func (d *Domain) ClockSkew() time.Duration { return time.Duration(d.skew.Load()) }

// An Outcome is what there is to know of a refresh that failed.
type Outcome struct {
	Sent       bool          // the refresh token left this machine
	Unknown    bool          // the domain may have used it up, although no usable answer came
	RetryAfter time.Duration // how long the domain wants to be left alone
}

// Refresh exchanges a refresh token (RFC 6749, 6). Where the answer brings no new
// one, the old one stays. With known endpoints no discovery is made. Tokens that come
// with an error are to be saved all the same: the old ones may be used up.
func (d *Domain) Refresh(ctx context.Context, old tokens.Tokens) (tok tokens.Tokens, outcome Outcome, err error) {
	const step = "refresh the session"
	endpoints := old.Endpoints
	// An assertion also needs the issuer and the domain's clock.
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
	tok, err = d.renewed(old, answer, endpoints)
	if cutOff {
		tok.RefreshSentAt = time.Now().Round(0) // a new one may have been on its way
	}
	return tok, Outcome{Sent: true}, err
}

// Revoke ends a refresh token at the domain (RFC 7009). Oracle's domains take
// refresh tokens only; an access token lives on until it expires.
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
	return d.acknowledged(step, x)
}

// acknowledged returns nil for an answer that says success, whatever is in it.
func (d *Domain) acknowledged(step string, x *exchange.Exchange) error {
	switch _, err := d.readAnswer(x); {
	case x.Err != nil:
		return d.fault(step, x, x.Err)
	case x.Status/100 != 2:
		return d.fault(step, x, err)
	}
	return nil
}
