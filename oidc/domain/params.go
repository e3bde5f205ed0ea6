package domain

import (
	"net/url"
	"strconv"
)

// resources returns the resource parameters (RFC 8707, 2), which are part of every token
// request.
func (d *Domain) resources() url.Values {
	values := url.Values{}
	if len(d.config.Resources) > 0 {
		values["resource"] = d.config.Resources
	}
	return values
}

// newSessionParams returns the configured parameters of a request that begins a session:
// authorization, device authorization or client credentials.
func (d *Domain) newSessionParams() url.Values {
	values := d.resources()
	for name, value := range d.config.ExtraParams {
		values.Set(name, value)
	}
	if d.config.Audience != "" {
		values.Set("audience", d.config.Audience)
	}
	return values
}

// authorizationParams returns the configured parameters of an authorization request (OpenID
// Connect Core 1.0, 3.1.2.1).
func (d *Domain) authorizationParams() url.Values {
	values := d.newSessionParams()
	if d.config.LoginHint != "" {
		values.Set("login_hint", d.config.LoginHint)
	}
	if d.config.Prompt != "" {
		values.Set("prompt", d.config.Prompt)
	}
	if d.config.MaxAge != nil {
		values.Set("max_age", strconv.Itoa(*d.config.MaxAge))
	}
	return values
}
