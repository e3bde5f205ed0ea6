package domain

import (
	"net/url"
	"strconv"
)

// resources are what a token is asked for (RFC 8707, 2), in every request for one.
func (d *Domain) resources() url.Values {
	values := url.Values{}
	if len(d.config.Resources) > 0 {
		values["resource"] = d.config.Resources
	}
	return values
}

// beginning are the parameters of a request that begins a session.
func (d *Domain) beginning() url.Values {
	values := d.resources()
	for name, value := range d.config.ExtraParams {
		values.Set(name, value)
	}
	if d.config.Audience != "" {
		values.Set("audience", d.config.Audience)
	}
	return values
}

// signInPage are the parameters of an authorization request (OpenID Connect Core
// 1.0, 3.1.2.1).
func (d *Domain) signInPage() url.Values {
	values := d.beginning()
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
