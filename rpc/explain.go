package rpc

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// An endpointInfo is where a token may go, and how. It crosses the wire together with the
// token, so that no token is sent to the endpoint of another session.
type endpointInfo struct {
	BaseURL string   `json:"baseURL"`
	TLS     *tlsInfo `json:"tls,omitempty"`
}

// tlsInfo are options of Bun's fetch.
type tlsInfo struct {
	RejectUnauthorized bool   `json:"rejectUnauthorized"`
	CA                 string `json:"ca,omitempty"`
}

// endpointFor is how OpenCode, in a runtime of its own, may send a token to the endpoint.
// Its fetch goes by the environment: HTTPS_PROXY and NO_PROXY, NODE_EXTRA_CA_CERTS and
// SSL_CERT_FILE. Added here is ca_file; taken away is NODE_TLS_REJECT_UNAUTHORIZED, by
// which anybody could have the token.
func endpointFor(c config.Config, runtime string) (*endpointInfo, error) {
	info := &endpointInfo{BaseURL: c.BaseURL}
	to, err := url.Parse(c.BaseURL)
	if err != nil {
		return nil, problem.New(problem.Config, "llm_base_url is not a web address.", "Write it as https://host/v1.").Because(err)
	}
	if to.Scheme == "http" {
		if runtime == bun && seenByProxy(to) {
			return nil, problem.New(problem.Config,
				fmt.Sprintf("HTTP_PROXY is set, and OpenCode would send the token for %s, which is this machine, through the proxy in the clear.", to.Hostname()),
				fmt.Sprintf("Add %s to NO_PROXY.", to.Hostname()))
		}
		return info, nil
	}
	unchecked := os.Getenv("NODE_TLS_REJECT_UNAUTHORIZED")
	if unchecked == "0" && runtime == node { // which has no way around it for a single request
		return nil, problem.New(problem.Config,
			fmt.Sprintf("NODE_TLS_REJECT_UNAUTHORIZED is set, so that anybody could pass for %s and get the token.", to.Host),
			"Unset it where OpenCode is started; a company's CA is named in NODE_EXTRA_CA_CERTS.")
	}
	ca, err := c.EndpointNetwork().CompanyCAs()
	if err != nil {
		return nil, err
	}
	if ca != "" || unchecked != "" {
		info.TLS = &tlsInfo{true, ca}
	}
	return info, nil
}

// The runtimes of a host.
const (
	bun  = "bun"
	node = "node"
)

// seenByProxy reports whether Bun would ask a proxy for a URL on this machine: unlike
// other programs, it makes no exception for loopback.
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

// explainParams are an answer of the endpoint that is no success, a fetch that failed, or
// the origin to which a request was to go that is not the endpoint's.
type explainParams struct {
	Fingerprint string            `json:"fingerprint"`
	Repeated    bool              `json:"repeated"` // with a renewed token
	Served      *int64            `json:"served"`   // milliseconds since a request was answered with success
	Request     string            `json:"request"`  // the beginning of its body
	Status      *int              `json:"status"`
	Headers     map[string]string `json:"headers"`
	Body        string            `json:"body"` // its beginning

	Code    *string `json:"code"`
	Address string  `json:"address"`
}

// explainResult has one of the token to repeat the request with, the problem that the
// person must read, and the answer as the host may have it; or nothing.
type explainResult struct {
	Token   json.RawMessage   `json:"token,omitempty"`
	Problem *problemInfo      `json:"problem,omitempty"`
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
}

// explain says what is to be done about a request that was no success.
func (s *server) explain(ctx context.Context, p explainParams) (any, error) {
	session, err := s.open() // a token of another configuration is not sent again
	if err != nil {
		return explainResult{Problem: newProblemInfo(s.forRequest(err))}, nil
	}
	var result explainResult
	var trouble *problem.Problem
	switch {
	case p.Address != "":
		trouble = elsewhere(session.Config(), s.clean(session, p.Address))
	case p.Code != nil:
		trouble = s.explainFailure(session, *p.Code)
	case p.Status != nil:
		result, trouble = s.explainAnswer(ctx, session, p)
	}
	if trouble != nil {
		s.Log.Warn("a request to the endpoint failed", "problem", trouble)
		result = explainResult{Problem: newProblemInfo(trouble)}
	}
	return result, nil
}

func elsewhere(c config.Config, address string) *problem.Problem {
	return problem.New(problem.Config,
		fmt.Sprintf("The request goes to %s, but llm_base_url in %s is at %s: the token is sent there and nowhere else.", address, c.Path, origin(c)),
		"Make options.baseURL of the provider in opencode.json agree with llm_base_url, or remove it.")
}

func origin(c config.Config) string {
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return c.BaseURL
	}
	return u.Scheme + "://" + u.Host
}

// explainFailure is the problem of a fetch that failed with a code of the runtime, or nil
// where that may pass, and the host tries again.
func (s *server) explainFailure(session *oidc.Session, code string) *problem.Problem {
	c := session.Config()
	to, err := url.Parse(c.BaseURL)
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
	// ca_file may be another one since it was read.
	s.forgetEndpoint(session)
	if strings.Contains(code, "ALTNAME") && net.ParseIP(to.Hostname()) != nil && strings.Contains(to.Host, "[") {
		return problem.New(problem.TLS, fmt.Sprintf("OpenCode does not accept the certificate of an IPv6 address, %s.", to.Host),
			fmt.Sprintf("Write a host name in llm_base_url in %s.", c.Path))
	}
	return problem.New(problem.TLS, fmt.Sprintf("The certificate of %s was not accepted (%s).", to.Host, certificateCode().FindString(code)),
		fmt.Sprintf(`If your company inspects connections, name the file of its CA (PEM) as ca_file in %s, or in NODE_EXTRA_CA_CERTS. "oci-oidc-helper doctor" shows the certificate.`, c.Path))
}

var certificateCode = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Z0-9_]*(CERT|SELF_SIGNED|UNABLE_TO_VERIFY)[A-Z0-9_]*$`)
})

func (s *server) explainAnswer(ctx context.Context, session *oidc.Session, p explainParams) (explainResult, *problem.Problem) {
	c, status, header := session.Config(), *p.Status, http.Header{}
	for name, value := range p.Headers {
		header.Set(name, value)
	}
	body := s.clean(session, p.Body)
	challenged := endpoint.InvalidToken(header)
	switch {
	case status == 0 || slices.Contains([]int{301, 302, 303, 307, 308}, status):
		return explainResult{}, redirected(c, header.Get("Location"))
	case status == http.StatusProxyAuthRequired:
		return explainResult{}, problem.New(problem.Network,
			fmt.Sprintf("The proxy on the way to %s wants a user name and password, or does not accept those that it was given.", strings.TrimPrefix(strings.TrimPrefix(origin(c), "https://"), "http://")),
			"Put them into HTTPS_PROXY, as http://user:password@host:port, with special characters percent-encoded.")
	case status == http.StatusUnauthorized, status == http.StatusForbidden && challenged:
		return s.explainRefusal(ctx, session, p, header, body)
	case status >= 400 && status < 500 && status != http.StatusForbidden && status != http.StatusTooManyRequests && asksForPlaceholder(p.Request):
		return explainResult{}, problem.New(problem.Config,
			fmt.Sprintf("You are signed in, but no models of %s are known yet.", strings.TrimPrefix(strings.TrimPrefix(origin(c), "https://"), "http://")),
			`Start OpenCode again. If there are none then either, "oci-oidc-helper models --refresh" tells why; you can also name them under provider.oci-oidc.models in opencode.json.`)
	}
	headers := maps.Clone(p.Headers)
	for name, value := range headers {
		headers[name] = s.clean(session, value)
		if slices.Contains([]string{"content-length", "content-encoding", "transfer-encoding"}, strings.ToLower(name)) {
			delete(headers, name)
		}
	}
	return explainResult{Status: min(max(status, 200), 599), Headers: headers, Body: endpoint.Visible(body)}, nil
}

// explainRefusal is for a request that the endpoint did not authorize: another token, if
// there is one and the token may be the reason, else the endpoint's own words. A session is
// given up only where the token is certain to be the reason.
func (s *server) explainRefusal(ctx context.Context, session *oidc.Session, p explainParams, header http.Header, body string) (explainResult, *problem.Problem) {
	c, reason := session.Config(), endpoint.Reason(header, body)
	meaning := endpoint.Means(header, body, justServed(session, p))
	refused := "the request (%d)"
	switch {
	case p.Repeated && meaning == endpoint.TokenRefused:
		refused = "the token, and a renewed one as well (%d)"
	case p.Repeated:
		refused = "the request, also with a renewed token (%d)"
	default:
		token, err := s.instead(ctx, session, p.Fingerprint, meaning)
		if token != nil {
			return explainResult{Token: token}, nil
		}
		certain := meaning == endpoint.TokenRefused
		if certain {
			refused = "the token (%d)"
		}
		if err == nil {
			break
		}
		if trouble := s.forRequest(err); trouble.Kind == problem.LoginRequired || certain && (reason == "" || trouble.Retryable) {
			return explainResult{}, trouble
		}
	}
	message := fmt.Sprintf("The endpoint %s refused "+refused+".", origin(c), *p.Status)
	if reason != "" {
		message += "\nIt says: " + reason
	}
	hint := fmt.Sprintf("Check with your administrator that you may use it, and that scope and llm_base_url in %s are right.", c.Path)
	if meaning != endpoint.TokenRefused {
		hint = "Ask who runs the endpoint, or choose another model."
	}
	return explainResult{}, problem.New(problem.Config, message, hint)
}

// justServed reports whether the endpoint answers other requests with the token.
func justServed(session *oidc.Session, p explainParams) bool {
	if p.Served == nil || *p.Served < 0 || *p.Served > endpoint.JustServed.Milliseconds() {
		return false
	}
	return session.Served(p.Fingerprint, time.Now().Add(-time.Duration(*p.Served)*time.Millisecond))
}

// instead is the token with which a refused request is worth repeating, as getToken sends
// it, or nil.
func (s *server) instead(ctx context.Context, session *oidc.Session, refused string, meaning endpoint.Meaning) (_ json.RawMessage, err error) {
	var token oidc.Token
	switch meaning {
	case endpoint.TokenRefused:
		token, err = session.Token(ctx, refused)
	case endpoint.Unclear:
		token, err = session.Another(ctx, refused)
	}
	if err != nil || token.Access.Empty() {
		return nil, err
	}
	return s.encodeToken(session, token)
}

func redirected(c config.Config, location string) *problem.Problem {
	to := ""
	if base, err := url.Parse(c.BaseURL); err == nil && location != "" {
		if u, err := base.Parse(location); err == nil {
			to = fmt.Sprintf(" to %s://%s", u.Scheme, u.Host)
		}
	}
	return problem.New(problem.Config,
		fmt.Sprintf("The endpoint %s redirects%s; redirects are not followed, so that the token and the prompt stay where they belong.", origin(c), to),
		fmt.Sprintf("Set llm_base_url in %s to the address that answers itself, or ask who runs the endpoint.", c.Path))
}

// asksForPlaceholder reports whether a request names the model that stands where none is
// known; the AI SDK names the model first.
func asksForPlaceholder(request string) bool {
	return strings.HasPrefix(request, fmt.Sprintf(`{"model":%q,`, placeholderModel))
}

// clean is a text of the endpoint without the session's secrets, also where one is cut
// off at its end.
func (s *server) clean(session *oidc.Session, text string) string {
	s.tokenMu.Lock()
	sent := s.token.Access
	s.tokenMu.Unlock()
	text, _ = secret.NewRedactor(append(session.Secrets(), sent), false).Redact(text)
	return text
}
