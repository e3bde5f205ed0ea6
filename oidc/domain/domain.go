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
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/idtoken"
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

	metadata    atomic.Pointer[discovery.Metadata] // nil before the first successful discovery
	discovering chan struct{}                      // a mutex around discovery that a context can stop waiting for

	skew   atomic.Int64 // see ClockSkew, in nanoseconds
	posted atomic.Bool  // skew is from the answer to a POST
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

// Metadata returns what the domain's discovery document says, completed by the endpoints
// that all of Oracle's domains have. It requests the document until that succeeds once.
func (d *Domain) Metadata(ctx context.Context) (*discovery.Metadata, error) {
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
func (d *Domain) fetchMetadata(ctx context.Context) (*discovery.Metadata, error) {
	for _, path := range discovery.Paths(d.url, d.config.Issuer) {
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
	return d.complete(&discovery.Metadata{})
}

func (d *Domain) complete(m *discovery.Metadata) (*discovery.Metadata, error) {
	m.Issuer = cmp.Or(d.config.Issuer, m.Issuer)
	if d.config.Network.ClientCert != "" {
		m.UseClientCertificate()
	}
	odd, err := m.Complete(d.url)
	d.warnOdd("discovery document", odd)
	return m, err
}

// warnOdd logs which members of a text of the domain do not have the expected form.
func (d *Domain) warnOdd(what string, members []string) {
	if len(members) > 0 {
		d.log.Warn("the domain's "+what+" is odd", "members", members)
	}
}

// errNotFound means that the domain answered a request for its document with 404.
var errNotFound = errors.New("not found")

func (d *Domain) fetchDocument(ctx context.Context, path string) (*discovery.Metadata, error) {
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
	m, odd, err := discovery.Read(x.Body)
	if err != nil {
		return nil, d.fault(step, x, err)
	}
	d.warnOdd("discovery document", odd)
	return &m, nil
}

// learnClock updates the clock skew from an answer. A cache may answer a GET with an old Date
// and without Age, so a GET does not replace what a POST has told.
func (d *Domain) learnClock(x *exchange.Exchange, post bool) {
	if skew, ok := x.ClockSkew(); ok && (post || !d.posted.Load()) {
		d.skew.Store(int64(skew))
		d.posted.Store(post)
	}
}

// ClockSkew returns how far the domain's clock is ahead of this machine's (negative if
// behind), from the Date header of an answer and so exact to a second or two. It is
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
	client, endpoints, err := d.clientFor(ctx, old.Endpoints, old.Endpoints.Token)
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
	client, endpoints, err := d.clientFor(ctx, tok.Endpoints, tok.Endpoints.Revocation)
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
