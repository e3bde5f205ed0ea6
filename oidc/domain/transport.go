package domain

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/application"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/exchange"
)

// ExchangeTimeout is the longest time that one request to a domain takes.
const ExchangeTimeout = exchange.Timeout

// get sends a GET request, without client authentication. It asks caches for a new answer (RFC
// 9111, 5.2.1.4), whose Date is the domain's clock.
func (d *Domain) get(ctx context.Context, address string) *exchange.Exchange {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return &exchange.Exchange{Ctx: ctx, URL: d.url, Err: err}
	}
	req.Header.Set("Cache-Control", "no-cache")
	exchange.RememberAsked(req.Header, nil)
	return d.send(ctx, req)
}

// post sends a form. If client is not nil, the request carries that application's client
// authentication.
func (d *Domain) post(ctx context.Context, endpoint string, client *application.Client, form url.Values) *exchange.Exchange {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	var err error
	if client != nil {
		err = client.Prove(form, header)
	}
	exchange.RememberAsked(header, form)
	var req *http.Request
	if err == nil {
		req, err = http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	}
	if err != nil {
		return &exchange.Exchange{Ctx: ctx, URL: d.url, Err: err}
	}
	req.Header = header
	req.GetBody = nil // so that net/http does not send a one-time token again by itself
	return d.send(ctx, req)
}

func (d *Domain) send(ctx context.Context, req *http.Request) *exchange.Exchange {
	return exchange.Send(ctx, d.transport, d.log, req, func(x *exchange.Exchange) { d.learnClock(x, req.Method == http.MethodPost) })
}
