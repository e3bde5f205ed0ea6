package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// A company has an identity domain and an LLM endpoint, and remembers what they
// were asked since the last mark.
type company struct {
	*domaintest.Server
	before map[domaintest.Operation]int
}

// operations are those that a person's OpenCode can cause.
var operations = []domaintest.Operation{
	domaintest.Discovery, domaintest.Keys, domaintest.Authorize, domaintest.SignIn, domaintest.Token,
	domaintest.Device, domaintest.DevicePage, domaintest.Revoke, domaintest.Models, domaintest.Chat,
}

func openCompany(say *transcript, options domaintest.Options) (*company, error) {
	say.step("The company: an identity domain, and a model behind it",
		"Both are stand-ins that run inside this demo. They check everything that the real ones check.")
	server, err := domaintest.Start(options)
	if err != nil {
		return nil, fmt.Errorf("the stand-in domain does not start: %w", err)
	}
	say.fact("identity domain", server.URL)
	say.fact("LLM endpoint", server.LLMBaseURL)
	return &company{server, map[domaintest.Operation]int{}}, nil
}

// A pluginConfig is an oci-auth.config.jsonc.
type pluginConfig struct {
	Domain   string `json:"domain_url"`
	Client   string `json:"client_id"`
	Secret   string `json:"client_secret,omitempty"`
	Method   string `json:"auth_method"`
	Redirect string `json:"redirect_uri,omitempty"`
	Scope    string `json:"scope"`
	Endpoint string `json:"llm_base_url"`
	LogLevel string `json:"log_level"`
}

// mobile is the configuration for the company's public application.
func (c *company) mobile() pluginConfig {
	return pluginConfig{
		Domain: c.URL, Client: domaintest.MobileClient, Method: "mobile_app",
		Scope: "openid offline_access " + domaintest.DefaultScope, Endpoint: c.LLMBaseURL, LogLevel: "VERBOSE",
	}
}

// confidential is the one for the application with a secret, whose redirect is
// registered for a port that is free.
func (c *company) confidential() pluginConfig {
	config := c.mobile()
	config.Client, config.Method = domaintest.ConfidentialClient, "confidential_app"
	config.Secret = domaintest.ConfidentialSecret
	config.Redirect = domaintest.FreeRedirect()
	c.AllowRedirect(config.Client, config.Redirect)
	return config
}

// greeting is the endpoint's answer to a token of the person.
func (c *company) greeting() string {
	return domaintest.Greet(domaintest.ChatRequest{DisplayName: domaintest.DefaultUser.DisplayName}).Text
}

// mark begins a new account of what the company sees.
func (c *company) mark() {
	for _, op := range operations {
		c.before[op] = c.Count(op)
	}
}

// since returns the requests for the operations since the mark, in their order.
func (c *company) since(ops ...domaintest.Operation) (list []domaintest.Request) {
	for _, op := range ops {
		list = append(list, c.Requests(op)[c.before[op]:]...)
	}
	slices.SortStableFunc(list, func(a, b domaintest.Request) int { return a.Time.Compare(b.Time) })
	return list
}

// showSeen shows the requests since the mark.
func (c *company) showSeen(say *transcript) {
	requests := c.since(operations...)
	if len(requests) == 0 {
		say.seen("nothing", "")
	}
	for _, request := range requests {
		where, note := "domain", request.Form.Get("grant_type")
		note = strings.TrimPrefix(note, "urn:ietf:params:oauth:grant-type:")
		if request.Operation == domaintest.Chat || request.Operation == domaintest.Models {
			where, note = "endpoint", "token with checksum "+fingerprint(request)
		}
		say.seen(where, fmt.Sprintf("%-4s %-34s %d  %s", request.Method, request.Path, request.Status, note))
	}
}

// verified checks that the endpoint accepted every request since the mark, and
// returns the fingerprint of the last token.
func (c *company) verified(say *transcript) (token string, err error) {
	requests := c.since(domaintest.Chat)
	if len(requests) == 0 {
		return "", errors.New("the endpoint has seen no request")
	}
	for _, request := range requests {
		if request.Status != http.StatusOK {
			return "", fmt.Errorf("the endpoint answered %d to a request of OpenCode", request.Status)
		}
		token = fingerprint(request)
	}
	say.good("The endpoint verified the token of every request: signature, audience, scope and time.")
	return token, nil
}

// fingerprint is a checksum of the token of a request: it tells one token from
// another, and is of no other use.
func fingerprint(request domaintest.Request) string {
	_, token, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:4])
}

// outlive waits until the newest access token has expired, life after it came.
func (c *company) outlive(ctx context.Context, say *transcript, life time.Duration) error {
	requests := c.Requests(domaintest.Token)
	over := requests[len(requests)-1].Time.Add(life + 100*time.Millisecond)
	defer say.wait("the token expires at " + over.Format(time.TimeOnly))()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(over)):
		return nil
	}
}

// onlyRefreshed checks that since the mark the domain was asked for one refresh
// and for nothing that begins a sign-in.
func (c *company) onlyRefreshed(say *transcript) error {
	grants := c.since(domaintest.Token)
	signIns := len(c.since(domaintest.Authorize, domaintest.SignIn, domaintest.Device, domaintest.DevicePage))
	if len(grants) != 1 || grants[0].Form.Get("grant_type") != "refresh_token" || signIns != 0 {
		return fmt.Errorf("the domain has seen %d token requests and %d of a sign-in, not just one refresh", len(grants), signIns)
	}
	say.good("The domain has seen one refresh and no sign-in.")
	return nil
}
