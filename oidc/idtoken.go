package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// clockTolerance is how far two clocks may differ before a claim is refused.
const clockTolerance = 5 * time.Minute

// claims are those of an ID token that are checked, and who it is about. An
// access token of Oracle's is a JWT too and has some of them.
type claims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	Party    string   `json:"azp"`
	Expiry   int64    `json:"exp"` // seconds since 1970
	Nonce    string   `json:"nonce"`
	Name     string   `json:"user_displayname"`
}

// audience is one text or several (RFC 7519, 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// person is who a token is about, in words.
func (c claims) person() string {
	if c.Subject != "" {
		return printable(c.Subject, 200)
	}
	return printable(c.Name, 200)
}

var errNotJWT = errors.New("not a JSON Web Token")

// parseClaims reads the claims of a signed token without checking its signature.
func parseClaims(token string) (claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, errNotJWT
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims{}, errNotJWT
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil {
		return claims{}, errNotJWT
	}
	return c, nil
}

// checkIDToken applies OpenID Connect Core 3.1.3.7 to the ID token of an answer,
// if there is one, and returns who signed in. nonce is "" for flows without one.
//
// The signature is not checked (step 6 allows that for an answer straight from
// the token endpoint over TLS): by default Oracle's domains do not publish their
// keys. The issuer is compared with the one that the domain's own discovery
// document names, because Oracle's is shared by all domains.
func (d *Domain) checkIDToken(answer *oauth2.Token, issuer, nonce string) (subject string, err error) {
	raw, _ := answer.Extra("id_token").(string)
	if raw == "" {
		return "", nil
	}
	c, err := parseClaims(raw)
	if err != nil {
		return "", badIDToken("it is not a JSON Web Token")
	}
	domainNow := time.Now().Add(d.ClockSkew())
	switch {
	case issuer != "" && c.Issuer != issuer:
		return "", badIDToken("another issuer made it")
	case !slices.Contains(c.Audience, d.config.ClientID):
		return "", badIDToken("it is for another application")
	case c.Party != "" && c.Party != d.config.ClientID:
		return "", badIDToken("another application asked for it")
	case domainNow.Add(-clockTolerance).After(time.Unix(c.Expiry, 0)):
		return "", badIDToken("it has expired; the clocks may differ")
	case nonce != "" && c.Nonce != nonce:
		return "", badIDToken("it belongs to another sign-in")
	}
	return c.person(), nil
}

func badIDToken(why string) *problem.Problem {
	return problem.New(problem.Domain, "The domain's ID token is not accepted: "+why+".",
		"Check domain_url and client_id, then sign in again; if it stays, ask your administrator.")
}
