package domaintest

import (
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// assertionType is the one kind of client assertion (RFC 7523, section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate returns the client that sent a form (RFC 6749, section 2.3): a
// confidential one by Basic, by client_secret, by a signed assertion or by its TLS
// certificate, a public one by its client_id alone. Whoever is not who they say is
// told invalid_client.
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
		return s.byName(form.Get("client_id"), r.TLS)
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

// byName returns the client with that ID, which is public or has shown its
// certificate.
func (s *Server) byName(id string, connection *tls.ConnectionState) (Client, *refusal) {
	client, ok := s.current().client(id)
	shown := connection != nil && len(connection.VerifiedChains) > 0 && client.CertificateName != "" &&
		connection.VerifiedChains[0][0].Subject.CommonName == client.CertificateName
	if !ok || client.confidential() && !shown {
		return Client{}, errInvalidClient
	}
	return client, nil
}

// longestAssertion is how long an assertion may be good for.
const longestAssertion = 10 * time.Minute

// byAssertion returns the confidential client that signed the assertion
// (RFC 7523, section 3), which serves once.
func (s *Server) byAssertion(form url.Values) (Client, *refusal) {
	if form.Get("client_assertion_type") != assertionType {
		return Client{}, badRequest("invalid_request", "The client_assertion_type is not known.")
	}
	var claims struct {
		Issuer   string   `json:"iss"`
		Subject  string   `json:"sub"`
		Audience audience `json:"aud"`
		Expires  int64    `json:"exp"`
		Issued   int64    `json:"iat"`
		ID       string   `json:"jti"`
	}
	var header joseHeader
	token := form.Get("client_assertion")
	if unverified(token, &header, &claims) != nil {
		return Client{}, errInvalidClient
	}
	client, ok := s.current().client(claims.Subject)
	now, expires := s.Clock.Now(), time.Unix(claims.Expires, 0)
	switch {
	case !ok, client.PublicKey == nil, verify(token, client.PublicKey, &claims) != nil,
		claims.Issuer != client.ID,
		form.Has("client_id") && form.Get("client_id") != client.ID,
		!claims.Audience.hasAny(GenericIssuer, s.current().Issuer, s.URL, s.URL+pathToken),
		client.KeyID != "" && header.KeyID != client.KeyID,
		!now.Before(expires), expires.After(now.Add(longestAssertion)), time.Unix(claims.Issued, 0).After(now.Add(time.Minute)),
		!s.firstUse(claims.ID, now, expires):
		return Client{}, errInvalidClient
	}
	return client, nil
}

// firstUse notes the ID of an assertion, and reports whether it is a new one.
func (s *Server) firstUse(id string, now, expires time.Time) bool {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if _, used := s.state.assertions.get(id, now); used || id == "" {
		return false
	}
	s.state.assertions.put(id, struct{}{}, now, expires)
	return true
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
