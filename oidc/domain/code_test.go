package domain

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/application"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

func TestParse(t *testing.T) {
	r := &CodeRequest{state: "s", metadata: &discovery.Metadata{Issuer: "i"}}
	for query, want := range map[string]string{
		"code=c&state=s":              "",
		"code=c&state=s&iss=i":        "",
		"code=c&state=s&iss=other":    "another identity domain",
		"code=c&state=S":              "not this attempt's",
		"code=c":                      "not this attempt's",
		"error=access_denied":         "not this attempt's",
		"error=access_denied&state=s": "refused (access_denied)",
		"error=x%1b%0a&state=s":       "refused (x)",
		"state=s":                     "holds no code",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		code, err := r.Parse(values)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err == nil && code != "c" {
			t.Errorf("%s: %q, %v", query, code, err)
		}
	}
	// If the metadata promises iss, a response without iss is refused.
	r.metadata.SendsIssuer = true
	if _, err := r.Parse(url.Values{"code": {"c"}, "state": {"s"}}); err == nil || !strings.Contains(err.Error(), "another identity domain") {
		t.Errorf("without the promised issuer: %v", err)
	}
}

// Without a discovery document the issuer is not known, but the domain's own URL is this domain's.
func TestIssuerWithoutADiscoveryDocument(t *testing.T) {
	d := newDomain(t, config.Config{DomainURL: "https://idcs.example", ClientID: "client", RedirectURIs: []string{"http://localhost/"}})
	d.UseTransport(way(func(req *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusNotFound, Request: req, Body: http.NoBody, Header: http.Header{}}, nil
	}))
	r, err := d.NewCodeRequest(t.Context(), "http://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	for iss, right := range map[string]bool{
		"": true, "https://idcs.example": true, "https://idcs.example/": true,
		"https://idcs.example/x": false, "https://idcs.example.evil": false, "http://idcs.example": false, "/": false, "x": false,
	} {
		if _, err := r.Parse(url.Values{"code": {"c"}, "state": {r.state}, "iss": {iss}}); (err == nil) != right {
			t.Errorf("%q: %v", iss, err)
		}
	}
	r.metadata.Issuer = "https://issuer.example"
	if _, err := r.Parse(url.Values{"code": {"c"}, "state": {r.state}, "iss": {"https://idcs.example"}}); err == nil {
		t.Error("the domain's URL is accepted in place of its issuer")
	}
}

// A copied address may have spaces, quotes or other characters around it.
func TestPastedForms(t *testing.T) {
	r := &CodeRequest{client: &application.Client{}, state: "the-state", metadata: &discovery.Metadata{}}
	const address, code = "http://localhost:8888/callback?code=the-code-of-this-one&state=the-state", "the-code-of-this-one"
	for _, text := range []string{
		address, address + "\r\n", "\u00a0" + address + "\u200b", `"` + address + `"`, "'" + address + "'", "`" + address + "`", "<" + address + ">", "(" + address + ")",
		"“" + address + "”", address + ".", address + ",", address + "; ", "(" + address + ").", "“" + address + ".”", "„" + address + "“", "\ufeff" + address, strings.ReplaceAll(address, "&", "&amp;"), address + "#", address + "#_=_", "chrome " + address,
		"?code=" + code + "&state=the-state", "code=" + code + "&state=the-state", code, `"` + code + `"`, "[" + code + "]",
	} {
		if got, err := r.ParsePasted(text); err != nil || got != code {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", `""`, "yes", address + "x", "curl " + code, strings.Replace(address, "the-state", "another", 1), strings.Replace(address, "&", "&amp;amp;", 1)} {
		if got, err := r.ParsePasted(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
	// The person can paste again after the address that they were to open.
	const toOpen = "https://idcs.example/oauth2/v1/authorize?client_id=c&code_challenge=x&response_type=code"
	for _, text := range []string{toOpen + "&state=the-state", toOpen, toOpen + "&state=another."} {
		if _, err := r.ParsePasted(text); !errors.Is(err, ErrForeignState) || !strings.Contains(err.Error(), "is the one to open") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
