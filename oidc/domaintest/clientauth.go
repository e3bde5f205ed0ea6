package domaintest

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// assertionType is the one kind of client assertion (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate returns the client that sent a form (RFC 6749, section 2.3): a
// confidential one by Basic, by client_secret or by a signed assertion, a public
// one by its client_id alone. Whoever is not who they say is told invalid_client.
func (s *Server) authenticate(r *http.Request) (Client, *refusal) {
	form := r.PostForm
	basicID, basicSecret, basic := basicAuth(r)
	switch {
	case basic && (form.Has("client_secret") || form.Has("client_assertion")):
		return Client{}, badRequest("invalid_request", "The client authenticates in more than one way.")
	case basic:
		return s.bySecret(basicID, basicSecret)
	case form.Has("client_assertion"):
		return s.byAssertion(form)
	case form.Has("client_secret"):
		return s.bySecret(form.Get("client_id"), form.Get("client_secret"))
	default:
		return s.byName(form.Get("client_id"))
	}
}

var errInvalidClient = refuse(http.StatusUnauthorized, "invalid_client", "Client authentication failed.")

// basicAuth returns the credentials of HTTP Basic, which are form-encoded
// (RFC 6749, section 2.3.1).
func basicAuth(r *http.Request) (id, secret string, ok bool) {
	id, secret, ok = r.BasicAuth()
	id, errID := url.QueryUnescape(id)
	secret, errSecret := url.QueryUnescape(secret)
	return id, secret, ok && errID == nil && errSecret == nil
}

// bySecret returns the confidential client whose secret it is.
func (s *Server) bySecret(id, secret string) (Client, *refusal) {
	client, ok := s.current().client(id)
	if !ok || client.Secret == "" || subtle.ConstantTimeCompare([]byte(client.Secret), []byte(secret)) == 0 {
		return Client{}, errInvalidClient
	}
	return client, nil
}

// byName returns the public client with that ID.
func (s *Server) byName(id string) (Client, *refusal) {
	client, ok := s.current().client(id)
	if !ok || client.confidential() {
		return Client{}, errInvalidClient
	}
	return client, nil
}

// byAssertion returns the confidential client that signed the assertion
// (RFC 7523, section 3).
func (s *Server) byAssertion(form url.Values) (Client, *refusal) {
	if form.Get("client_assertion_type") != assertionType {
		return Client{}, badRequest("invalid_request", "The client_assertion_type is not known.")
	}
	var claims struct {
		Issuer   string   `json:"iss"`
		Subject  string   `json:"sub"`
		Audience audience `json:"aud"`
		Expires  int64    `json:"exp"`
	}
	token := form.Get("client_assertion")
	if unverified(token, &claims) != nil {
		return Client{}, errInvalidClient
	}
	client, ok := s.current().client(claims.Subject)
	switch {
	case !ok, client.PublicKey == nil, verify(token, client.PublicKey, &claims) != nil,
		claims.Issuer != client.ID,
		form.Has("client_id") && form.Get("client_id") != client.ID,
		!claims.Audience.hasAny(GenericIssuer, s.current().Issuer, s.URL, s.URL+pathToken),
		!s.Clock.Now().Before(time.Unix(claims.Expires, 0)):
		return Client{}, errInvalidClient
	}
	return client, nil
}

// An audience is written as a string when it is a single one (RFC 7519, section
// 4.1.3).
type audience []string

func (a audience) hasAny(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(a, name) })
}

func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

func (a *audience) UnmarshalJSON(text []byte) error {
	var single string
	if json.Unmarshal(text, &single) == nil {
		*a = audience{single}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}
