// Package endpoint asks an OpenAI-compatible LLM endpoint which models it has, and
// tells them in the shape in which OpenCode wants its models.
//
// It promises that whatever the endpoint answers, what comes out is a list of
// bounded size with printable names and sensible limits, or a problem. It refuses to
// follow redirects, and sends the token to the endpoint's origin alone.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// maxAnswerSize bounds what is read of an answer, in bytes: ten thousand models with
// all that vLLM says of each.
const maxAnswerSize = 8 << 20

// maxErrorSize bounds what is read of an error answer, in bytes.
const maxErrorSize = 64 << 10

// An Endpoint is asked for its models.
type Endpoint struct {
	Address
	Token   secret.Text
	Network network.Settings
}

// Models returns the endpoint's models that chat: those of /models, with what that
// or LiteLLM's /model/info says of them. The caller limits the time. Its error is a
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

// info is what LiteLLM's proxy says of its models; other servers say nothing there.
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

// list asks for one list. Without an answer the status is 0.
func (e Endpoint) list(ctx context.Context, address string) (list, int, error) {
	status, body, err := e.get(ctx, address)
	if err != nil {
		return nil, status, err
	}
	list, err := parseList(body)
	if err != nil {
		return nil, status, e.unusable().Because(err)
	}
	return list, status, nil
}

// get makes one request. An answer other than 200 is an error, too.
func (e Endpoint) get(ctx context.Context, address string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, problem.New(problem.Config, e.Key()+" is not a web address.", "Write it as https://host/v1.").Because(err)
	}
	req.Header.Set("Authorization", "Bearer "+e.Token.Reveal())
	req.Header.Set("Accept", "application/json")
	resp, err := e.Network.RoundTrip(req) // and so follows no redirect
	if err != nil {
		return 0, nil, e.unreachable(req, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorSize))
		p := e.refusal(resp.StatusCode)
		if reason := Reason(resp.Header, secret.Redact(string(body))); reason != "" {
			p.Message += " It says: " + reason
		}
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
		err = ctx.Err() // its own time was shorter than that of the connection
	}
	p := e.Network.Diagnose(err, req.URL)
	p.Message = "The models could not be asked for: " + p.Message
	return p
}

func (e Endpoint) refusal(status int) *problem.Problem {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return problem.New(problem.Config, fmt.Sprintf("The endpoint %s does not list its models with this token (%d).", e.Host(), status),
			`Run "oci-oidc-helper doctor" to see why. `+e.listYourself())
	case status >= 300 && status < 400:
		return problem.New(problem.Config, fmt.Sprintf("The endpoint %s leads elsewhere when asked for its models (%d).", e.Host(), status),
			fmt.Sprintf("Write the address that it leads to as %s; the token follows no redirect.", e.Key()))
	case status == http.StatusTooManyRequests, status >= 500:
		return problem.New(problem.Network, fmt.Sprintf("The endpoint %s is in trouble: asked for its models, it answers %d.", e.Host(), status),
			"Try again in a moment. "+e.listYourself()).Passing()
	default:
		return problem.New(problem.Config, fmt.Sprintf("The endpoint %s has no list of models at %s/models (%d).", e.Host(), e.BaseURL, status),
			fmt.Sprintf("Check the path of %s, which usually ends in /v1. If it is right, name the models that you use under provider.%s.models in opencode.json.", e.Key(), e.Provider()))
	}
}

// unusable is the problem of an answer that is no list of models.
func (e Endpoint) unusable() *problem.Problem {
	return problem.New(problem.Network, fmt.Sprintf("What %s answers is no list of models.", e.Host()),
		"Check "+e.Key()+"; a sign-in page of the network or a proxy may be in between. "+e.listYourself())
}
