// Package endpoint requests the list of models from an OpenAI-compatible LLM endpoint, and
// converts it to the form in which OpenCode configures models. It also explains the
// endpoint's error responses.
//
// Whatever the endpoint answers, the result is a problem, or a list of bounded size with
// printable names and plausible limits. The token is sent to the endpoint's origin only, and
// redirects are not followed.
package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// maxAnswerSize is the longest answer that is accepted, in bytes. It is enough for ten
// thousand models in the form of vLLM.
const maxAnswerSize = 8 << 20

// maxErrorSize is how much of an error response is read, in bytes.
const maxErrorSize = 64 << 10

// An Endpoint is an OpenAI-compatible server, and the token for it.
type Endpoint struct {
	Address
	Token   secret.Text
	Network network.Settings
}

// Models requests the endpoint's chat models from /models. If that lacks details, it also
// requests LiteLLM's /model/info. It sets no time limit of its own. Its error is a
// [problem.Problem].
func (e Endpoint) Models(ctx context.Context) (Models, error) {
	list, status, err := e.list(ctx, e.BaseURL+"/models")
	noList := status == http.StatusNotFound || status == http.StatusMethodNotAllowed
	if err != nil && !noList {
		return nil, err
	}
	if noList || list.lacksLimits() {
		list = list.with(e.info(ctx))
	}
	models := list.models()
	if len(models) == 0 && noList {
		return nil, err
	}
	if len(models) == 0 {
		return nil, problem.New(problem.Config, fmt.Sprintf("The endpoint %s lists no models.", e.Host()),
			"Ask who runs the endpoint which ones you may use. "+e.listYourself())
	}
	return models, nil
}

// info requests the details that LiteLLM's proxy has about its models. It returns nil for
// other servers.
func (e Endpoint) info(ctx context.Context) list {
	addresses := []string{e.BaseURL + "/model/info"}
	if above, ok := strings.CutSuffix(e.BaseURL, "/v1"); ok {
		addresses = append(addresses, above+"/model/info")
	}
	for _, address := range addresses {
		if list, _, err := e.list(ctx, address); err == nil {
			return list
		}
	}
	return nil
}

// list requests a list of models. It also returns the HTTP status, or 0 without an answer.
func (e Endpoint) list(ctx context.Context, address string) (list, int, error) {
	status, body, err := e.get(ctx, address)
	if err != nil {
		return nil, status, err
	}
	list, err := parseList(body)
	if err != nil {
		p := e.unusable()
		if begin := bytes.TrimSpace(body); len(begin) > 0 && strings.IndexByte("{[", begin[0]) >= 0 && !json.Valid(body) {
			p.Message = fmt.Sprintf("%s did not return a list of models: its JSON is cut off or malformed.", e.Host())
		}
		if bytes.Contains(body, []byte(`"error`)) { // an error with the status of success
			p.Message += saying(Reason(nil, secret.Redact(string(body))))
		}
		return nil, status, p.Because(err)
	}
	return list, status, nil
}

// get sends a GET request. It returns an error for any status but those of success.
func (e Endpoint) get(ctx context.Context, address string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, problem.New(problem.Config, e.Key()+" is not a web address.", "Write it as https://host/v1.").Because(err)
	}
	req.Header.Set("Authorization", "Bearer "+e.Token.Reveal())
	req.Header.Set("Accept", "application/json")
	resp, err := e.Network.RoundTrip(req) // which follows no redirects, unlike an http.Client
	if err != nil {
		return 0, nil, e.unreachable(req, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorSize))
		p := e.refusal(resp)
		p.Message += saying(Reason(resp.Header, secret.Redact(string(body))))
		return resp.StatusCode, nil, p
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerSize+1))
	if err != nil {
		return 0, nil, e.unreachable(req, err)
	}
	if len(body) > maxAnswerSize {
		return resp.StatusCode, nil, e.unusable()
	}
	return resp.StatusCode, body, nil
}

func (e Endpoint) listYourself() string {
	return fmt.Sprintf("Until then, name the models that you use under provider.%s.models in opencode.json.", e.Provider())
}

func (e Endpoint) unreachable(req *http.Request, err error) *problem.Problem {
	ctx := req.Context()
	if errors.Is(ctx.Err(), context.Canceled) {
		return problem.From(ctx.Err())
	}
	if ctx.Err() != nil {
		err = ctx.Err() // the caller's deadline, which says more than the error of the connection
	}
	p := e.Network.Diagnose(err, req.URL)
	p.Message = "The models could not be asked for: " + p.Message
	return p
}

// saying returns a reason as a sentence to append, or "" for none.
func saying(reason string) string {
	if reason == "" {
		return ""
	}
	return " It says: " + reason
}

func (e Endpoint) refusal(resp *http.Response) *problem.Problem {
	status := resp.StatusCode
	switch {
	case status == http.StatusProxyAuthRequired:
		proxy, _ := network.Proxy(resp.Request.URL)
		p := network.PasswordForProxy(proxy, resp.Header.Values("Proxy-Authenticate"))
		p.Message = "The models could not be asked for: " + p.Message
		return p
	case status == http.StatusNetworkAuthenticationRequired: // RFC 6585, 6
		return e.unusable()
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return problem.New(problem.Config, fmt.Sprintf("The endpoint %s does not list its models with this token (%d).", e.Host(), status),
			`Run "oci-oidc-helper doctor" to see why. `+e.listYourself())
	case status >= 300 && status < 400:
		return problem.New(problem.Config, fmt.Sprintf("The endpoint %s leads elsewhere when asked for its models (%d).", e.Host(), status),
			fmt.Sprintf("Write the address that it leads to as %s; the token follows no redirect.", e.Key()))
	case status == http.StatusTooManyRequests, status >= 500:
		return problem.New(problem.Network, fmt.Sprintf("The endpoint %s has a fault of its own: asked for its models, it answers %d.", e.Host(), status),
			"Try again in a moment. "+e.listYourself()).Passing()
	default:
		return problem.New(problem.Config, fmt.Sprintf("The endpoint %s has no list of models at %s/models (%d).", e.Host(), e.BaseURL, status),
			fmt.Sprintf("%s If it is right, name the models that you use under provider.%s.models in opencode.json.", e.CheckPath(), e.Provider()))
	}
}

// unusable is the problem of an answer that is not a list of models.
func (e Endpoint) unusable() *problem.Problem {
	return problem.New(problem.Network, fmt.Sprintf("%s did not return a list of models.", e.Host()),
		"Check "+e.Key()+"; a sign-in page of the network or a proxy may be in between. "+e.listYourself())
}
