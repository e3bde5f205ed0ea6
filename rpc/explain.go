package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/rpc/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// explainParams describe one of three failures: an answer of the endpoint that is not a
// success (Status), a fetch that failed (Code), or a request that was addressed to another
// origin than the endpoint's (Address).
type explainParams struct {
	Provider    string            `json:"provider"` // as for getToken
	Fingerprint string            `json:"fingerprint"`
	Repeated    bool              `json:"repeated"` // this was the second attempt, with a new token
	Served      *int64            `json:"served"`   // milliseconds since the endpoint last answered a request with success
	Request     string            `json:"request"`  // the beginning of the request's body
	Status      *int              `json:"status"`
	Headers     map[string]string `json:"headers"`
	Body        string            `json:"body"` // the beginning of the answer's body

	Code    *string `json:"code"`
	Address string  `json:"address"`
}

// explainResult holds one of these: a token to repeat the request with, a problem to show
// to the person, or the endpoint's answer (status, headers, body) to pass on to the host.
// It is empty if the failure may pass, so that the host tries again.
type explainResult struct {
	Token   json.RawMessage       `json:"token,omitempty"`
	Problem *opencode.ProblemInfo `json:"problem,omitempty"`
	Status  int                   `json:"status,omitempty"`
	Headers map[string]string     `json:"headers,omitempty"`
	Body    string                `json:"body,omitempty"`
}

// explain says how to handle a request that failed.
func (s *server) explain(ctx context.Context, p explainParams) (any, error) {
	session, err := s.openFor(p.Provider) // the configuration may have changed since the request was sent
	if err != nil {
		return explainResult{Problem: opencode.NewProblemInfo(problem.From(err))}, nil
	}
	var result explainResult
	var wrong *problem.Problem
	c := session.Config()
	e, ok := c.Endpoint(p.Provider)
	switch {
	case !ok:
		wrong = opencode.NoEndpoint(c, p.Provider)
	case p.Address != "":
		wrong = opencode.Misdirected(c, e, s.clean(session, p.Address))
	case p.Code != nil:
		wrong = s.explainFailure(session, e, *p.Code)
	case p.Status != nil:
		result, wrong = s.explainAnswer(ctx, session, e, p)
	}
	if wrong != nil {
		s.Log.Warn(opencode.RequestFailed, "problem", wrong)
		result = explainResult{Problem: opencode.NewProblemInfo(wrong)}
	}
	return result, nil
}

// explainFailure returns the problem for an error code of the runtime's fetch, or nil if
// the failure may pass.
func (s *server) explainFailure(session *oidc.Session, e config.Endpoint, code string) *problem.Problem {
	s.mu.Lock()
	runtime := s.client.Runtime
	s.mu.Unlock()
	failed := opencode.FetchFailed(session.Config(), e, runtime, code)
	if failed != nil && failed.Kind == problem.TLS {
		s.forgetEndpoints(session) // the content of ca_file may have changed
	}
	return failed
}

func (s *server) explainAnswer(ctx context.Context, session *oidc.Session, e config.Endpoint, p explainParams) (explainResult, *problem.Problem) {
	c, status, header := session.Config(), *p.Status, http.Header{}
	for name, value := range p.Headers {
		header.Set(name, value)
	}
	body := s.clean(session, p.Body)
	meaning := endpoint.Means(status, header, body, justServed(session, p))
	wanted, tooSmall := endpoint.ScopeTooSmall(header)
	switch {
	case status == 0 || slices.Contains([]int{301, 302, 303, 307, 308}, status):
		return explainResult{}, opencode.Redirected(c, e, header.Get("Location"))
	case status == http.StatusProxyAuthRequired:
		return explainResult{}, opencode.ProxyRefused(e)
	case status == http.StatusForbidden && tooSmall:
		return explainResult{}, scopeTooSmall(c, e, wanted, endpoint.Reason(header, body))
	case status == http.StatusUnauthorized, status == http.StatusForbidden && meaning == endpoint.TokenRefused:
		return s.explainRefusal(ctx, session, e, p, meaning, endpoint.Reason(header, body))
	case status >= 400 && status < 500 && status != http.StatusForbidden && status != http.StatusTooManyRequests && opencode.AsksForPlaceholder(p.Request):
		return explainResult{}, opencode.NoModels(e)
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

// explainRefusal handles a request that the endpoint did not authorize. If the token may be
// the reason, it answers with a new token, and otherwise with the endpoint's own words. It
// ends the session only if the token is certain to be the reason.
func (s *server) explainRefusal(ctx context.Context, session *oidc.Session, e config.Endpoint, p explainParams, meaning endpoint.Meaning, reason string) (explainResult, *problem.Problem) {
	c := session.Config()
	refused := "the request (%d)"
	switch {
	case p.Repeated && meaning == endpoint.TokenRefused:
		refused = "the token, and a renewed one as well (%d)"
	case p.Repeated:
		refused = "the request, also with a renewed token (%d)"
	default:
		token, err := s.instead(ctx, session, p, meaning)
		if token != nil {
			return explainResult{Token: token}, nil
		}
		if err == nil {
			break
		}
		trouble, certain := s.forRequest(session, err), meaning == endpoint.TokenRefused
		ended := slices.Contains([]problem.Kind{problem.LoginRequired, problem.Cancelled}, trouble.Kind)
		if certain && reason != "" && !ended && !trouble.Retryable {
			trouble = problem.New(trouble.Kind, trouble.Message+"\nThe endpoint says: "+reason, trouble.Hint)
		}
		if certain || ended {
			return explainResult{}, trouble
		}
	}
	message := fmt.Sprintf("The endpoint %s refused "+refused+".", e.Origin(), *p.Status)
	if reason != "" {
		message += "\nIt says: " + reason
	}
	hint := fmt.Sprintf("Check with your administrator that you may use it, and that %s and %s in %s are right.", c.ScopeKey(), e.Key(), c.Source(e.Key()))
	if meaning != endpoint.TokenRefused {
		hint = "Ask who runs the endpoint, or choose another model."
	}
	return explainResult{}, problem.New(problem.Config, message, hint)
}

// scopeTooSmall is the problem of a token whose scope does not permit a request. wanted is the
// scope that the endpoint asks for, or "".
func scopeTooSmall(c config.Config, e config.Endpoint, wanted, reason string) *problem.Problem {
	message := fmt.Sprintf("The endpoint %s refused the request, because the token's scope does not permit it (403).", e.Origin())
	if reason != "" {
		message += "\nIt says: " + reason
	}
	if wanted != "" {
		message += "\nIt wants the scope " + wanted
	}
	return problem.New(problem.Config, message, fmt.Sprintf("Check that %s in %s names what the endpoint wants, and ask your administrator whether you may use it.", c.ScopeKey(), c.Source(e.Key())))
}

// justServed reports whether the endpoint has recently answered another request that
// carried the same token with success.
func justServed(session *oidc.Session, p explainParams) bool {
	if p.Served == nil || *p.Served < 0 || *p.Served > endpoint.JustServed.Milliseconds() {
		return false
	}
	return session.Served(p.Fingerprint, time.Now().Add(-time.Duration(*p.Served)*time.Millisecond))
}

// instead returns the token with which to repeat a refused request, encoded as the result
// of getToken, or nil if repeating is pointless.
func (s *server) instead(ctx context.Context, session *oidc.Session, p explainParams, meaning endpoint.Meaning) (_ json.RawMessage, err error) {
	var token oidc.Token
	switch meaning {
	case endpoint.TokenRefused:
		token, err = session.Token(ctx, p.Fingerprint)
	case endpoint.Unclear:
		token, err = session.Another(ctx, p.Fingerprint)
	}
	if err != nil || token.Access.Empty() {
		return nil, err
	}
	return s.encodeToken(session, p.Provider, token)
}

// clean removes the session's secrets from a text of the endpoint, including one that is
// cut off at the end of the text.
func (s *server) clean(session *oidc.Session, text string) string {
	secrets := session.Secrets()
	s.sentMu.Lock()
	for _, sent := range s.sent {
		secrets = append(secrets, sent.token.Access)
	}
	s.sentMu.Unlock()
	text, _ = secret.NewRedactor(secrets, false).Redact(text)
	return text
}
