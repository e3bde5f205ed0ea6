package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A Domain speaks the protocol of one identity domain on behalf of one
// registered application. It decides nothing. It is safe for concurrent use.
//
// Every error of its methods is a [problem.Problem].
type Domain struct {
	url       *url.URL // origin
	config    store.Config
	transport http.RoundTripper
	log       *slog.Logger
	patience  time.Duration // with a person at the sign-in page

	mu       sync.Mutex
	metadata *metadata // once discovered

	skew atomic.Int64 // nanoseconds the domain's clock is ahead of ours
}

// NewDomain returns the domain of a configuration. It makes no request.
func NewDomain(config store.Config, log *slog.Logger) (*Domain, error) {
	u, err := url.Parse(config.DomainURL)
	if err != nil {
		return nil, problem.New(problem.Config, "domain_url is not a web address.", "Write it as https://host.").Because(err)
	}
	return &Domain{url: u, config: config, transport: newTransport(), log: log, patience: codeLifetime}, nil
}

// metadata is what we need of the discovery document (OIDC Discovery 1.0, 3).
type metadata struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Device        string `json:"device_authorization_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
}

func (m *metadata) endpoints() store.Endpoints {
	return store.Endpoints{Token: m.Token, Revocation: m.Revocation}
}

// discover returns the domain's metadata, asking for it once.
func (d *Domain) discover(ctx context.Context) (*metadata, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.metadata != nil {
		return d.metadata, nil
	}
	m, err := d.fetchMetadata(ctx)
	if err != nil {
		return nil, err
	}
	d.metadata = m
	return m, nil
}

// fetchMetadata asks at the standard place, then at Oracle's own, and falls back
// on the paths that all of Oracle's domains have.
func (d *Domain) fetchMetadata(ctx context.Context) (*metadata, error) {
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/idcs-configuration"} {
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

// errNotThere is the cause of a 404.
var errNotThere = errors.New("not found")

func (d *Domain) fetchDocument(ctx context.Context, path string) (*metadata, error) {
	const step = "read the domain's discovery document"
	ctx, x := d.exchange(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url.String()+path, nil)
	if err != nil {
		return nil, d.fault(step, x, err)
	}
	resp, err := x.client().Do(req)
	if err != nil {
		return nil, d.fault(step, x, err)
	}
	d.learnClock(x)
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, d.fault(step, x, err)
	case resp.StatusCode == http.StatusNotFound:
		return nil, errNotThere
	case resp.StatusCode != http.StatusOK:
		return nil, d.fault(step, x, &oauth2.RetrieveError{Response: resp})
	}
	var document struct {
		metadata
		Nested *metadata `json:"openid-configuration"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, d.fault(step, x, err)
	}
	if document.Nested != nil {
		return document.Nested, nil
	}
	return &document.metadata, nil
}

// complete fills in what Oracle's discovery documents leave out, the device
// endpoint first of all, and checks where the endpoints are.
func (d *Domain) complete(m *metadata) (*metadata, error) {
	for _, endpoint := range []struct {
		name string
		url  *string
		path string
	}{
		{"authorization_endpoint", &m.Authorization, "/oauth2/v1/authorize"},
		{"token_endpoint", &m.Token, "/oauth2/v1/token"},
		{"device_authorization_endpoint", &m.Device, "/oauth2/v1/device"},
		{"revocation_endpoint", &m.Revocation, "/oauth2/v1/revoke"},
	} {
		if *endpoint.url == "" {
			*endpoint.url = d.url.String() + endpoint.path
		}
		if !secureURL(*endpoint.url) {
			return nil, problem.New(problem.Domain,
				fmt.Sprintf("The domain %s names a %s that is neither https nor on this machine.", d.url.Host, endpoint.name),
				"Check domain_url; if it is right, ask your administrator.")
		}
	}
	return m, nil
}

// secureURL reports whether a secret may be sent to, or a person led to, the URL:
// https, or http to this machine.
func secureURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// oauth returns the client for the given endpoints. The authentication style is
// fixed: x/oauth2's way of finding it out would send a one-time code or refresh
// token twice.
func (d *Domain) oauth(token string) (*oauth2.Config, error) {
	clientSecret, err := d.config.ClientSecret.Read()
	if err != nil {
		return nil, err
	}
	style := oauth2.AuthStyleInHeader
	if clientSecret.Empty() {
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID:     d.config.ClientID,
		ClientSecret: clientSecret.Reveal(),
		RedirectURL:  d.config.RedirectURI,
		Scopes:       strings.Fields(d.config.Scope),
		Endpoint:     oauth2.Endpoint{TokenURL: token, AuthStyle: style},
	}, nil
}

// learnClock notes how far the domain's clock is ahead of ours.
func (d *Domain) learnClock(x *exchange) {
	if skew, ok := x.clockSkew(); ok {
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
// one, the old one stays. With known endpoints no discovery is made.
func (d *Domain) Refresh(ctx context.Context, old store.Tokens) (tokens store.Tokens, outcome Outcome, err error) {
	endpoints := old.Endpoints
	if !secureURL(endpoints.Token) {
		m, err := d.discover(ctx)
		if err != nil {
			return store.Tokens{}, Outcome{}, err
		}
		endpoints = m.endpoints()
	}
	client, err := d.oauth(endpoints.Token)
	if err != nil {
		return store.Tokens{}, Outcome{}, err
	}
	ctx, x := d.exchange(ctx)
	answer, err := client.TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh.Reveal()}).Token()
	d.learnClock(x)
	if err != nil {
		outcome = Outcome{Sent: x.sent.Load(), Unknown: x.unknown(), RetryAfter: x.retryAfter()}
		return store.Tokens{}, outcome, d.fault("refresh the session", x, err)
	}
	tokens = received(answer, endpoints)
	if tokens.Subject == "" {
		tokens.Subject = old.Subject
	}
	return tokens, Outcome{}, nil
}

// Revoke ends a refresh token at the domain (RFC 7009). Oracle's domains take
// refresh tokens only; an access token lives on until it expires.
func (d *Domain) Revoke(ctx context.Context, tokens store.Tokens) error {
	const step = "revoke the session at the domain"
	endpoint := tokens.Endpoints.Revocation
	if !secureURL(endpoint) {
		m, err := d.discover(ctx)
		if err != nil {
			return err
		}
		endpoint = m.Revocation
	}
	client, err := d.oauth("")
	if err != nil {
		return err
	}
	form := url.Values{"token": {tokens.Refresh.Reveal()}, "token_type_hint": {"refresh_token"}}
	_, err = d.post(ctx, step, endpoint, client, form)
	return err
}

// post sends a form as the client, for what x/oauth2 has no call for. Any answer
// but a success is the problem it means.
func (d *Domain) post(ctx context.Context, step, endpoint string, client *oauth2.Config, form url.Values) (*exchange, error) {
	if client.ClientSecret == "" {
		form.Set("client_id", client.ClientID)
	}
	ctx, x := d.exchange(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return x, d.fault(step, x, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if client.ClientSecret != "" {
		req.SetBasicAuth(url.QueryEscape(client.ClientID), url.QueryEscape(client.ClientSecret))
	}
	resp, err := x.client().Do(req)
	if err != nil {
		return x, d.fault(step, x, err)
	}
	if resp.StatusCode/100 == 2 {
		return x, nil
	}
	refused := &oauth2.RetrieveError{Response: resp}
	var body struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.NewDecoder(resp.Body).Decode(&body) == nil {
		refused.ErrorCode, refused.ErrorDescription = body.Code, body.Description
	}
	return x, d.fault(step, x, refused)
}

// defaultLifetime is assumed of an access token that says nothing of its own.
const defaultLifetime = 5 * time.Minute

// received turns an answer into tokens: the expiry counts from now, because the
// domain's clock may differ from ours.
func received(answer *oauth2.Token, endpoints store.Endpoints) store.Tokens {
	now := time.Now().Round(0) // the wall clock alone: a monotonic one stands still in sleep
	lifetime := time.Duration(answer.ExpiresIn) * time.Second
	if lifetime <= 0 {
		lifetime = defaultLifetime
	}
	tokens := store.Tokens{
		Access:    secret.New(answer.AccessToken),
		Type:      answer.Type(),
		Refresh:   secret.New(answer.RefreshToken),
		IssuedAt:  now,
		ExpiresAt: now.Add(lifetime),
		Endpoints: endpoints,
	}
	if claims, err := parseClaims(answer.AccessToken); err == nil {
		tokens.Subject = claims.person()
	}
	return tokens
}
