package domaintest

import (
	"net/http"
	"net/url"
	"slices"
)

// An authorization is a checked authorization request (RFC 6749, section 4.1.1).
type authorization struct {
	client    Client
	redirect  *url.URL
	scopes    []scope
	state     string
	nonce     string
	challenge string
	resource  []string
}

// authorize shows the sign-in page for an authorization request.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	asked, ok := s.check(w, r, r.URL.Query())
	switch {
	case !ok:
	case s.current().AutoApprove:
		s.allow(w, r, asked, s.current().Users[0])
	case r.URL.Query().Get("prompt") == "none":
		asked.refuse(w, r, badRequest("login_required", "Nobody is signed in."))
	default:
		showSignIn(w, signInPage{Client: asked.client.ID, Query: r.URL.RawQuery})
	}
}

// signIn takes what a person did on the sign-in page. The page carries the whole
// authorization request with it, so that nothing is remembered in between, and the
// request is checked again.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	form := r.PostForm
	query, err := url.ParseQuery(form.Get("request"))
	if err != nil {
		showDeadEnd(w, "The sign-in page was not sent whole.")
		return
	}
	asked, ok := s.check(w, r, query)
	if !ok {
		return
	}
	if form.Get("decision") != "allow" {
		asked.refuse(w, r, badRequest("access_denied", "The user denied the request."))
		return
	}
	user, ok := s.current().user(form.Get("username"), form.Get("password"))
	if !ok {
		showSignIn(w, signInPage{Client: asked.client.ID, Query: form.Get("request"),
			UserName: form.Get("username"), Problem: "You entered an incorrect user name or password."})
		return
	}
	s.allow(w, r, asked, user)
}

// check returns the authorization that query asks for. If it asks wrongly, check
// answers, and ok is false.
func (s *Server) check(w http.ResponseWriter, r *http.Request, query url.Values) (asked authorization, ok bool) {
	asked, deadEnd := s.current().whoAndWhere(query)
	if deadEnd != "" {
		showDeadEnd(w, deadEnd)
		return asked, false
	}
	if refused := s.current().what(&asked, query); refused != nil {
		asked.refuse(w, r, refused)
		return asked, false
	}
	return asked, true
}

// whoAndWhere returns the client and its redirect address, which is compared with
// the registered ones as a string. If either is not certain, no redirect may answer
// (RFC 6749, section 4.1.2.1), and deadEnd says why.
func (o *Options) whoAndWhere(query url.Values) (asked authorization, deadEnd string) {
	client, ok := o.client(query.Get("client_id"))
	if !ok {
		return asked, "The client " + query.Get("client_id") + " is not known to this domain."
	}
	redirect := query.Get("redirect_uri")
	address, err := url.Parse(redirect)
	if err != nil || !slices.Contains(client.RedirectURIs, redirect) {
		return asked, "The redirect address " + redirect + " is not registered for this client."
	}
	if name := repeated(query); name != "" {
		return asked, "The parameter " + name + " is repeated."
	}
	return authorization{client: client, redirect: address, state: query.Get("state")}, ""
}

// what fills asked with what the client asks for. PKCE is not mandatory, but the
// only method is S256 (RFC 7636, section 4.3).
func (o *Options) what(asked *authorization, query url.Values) *refusal {
	if query.Get("response_type") != "code" {
		return badRequest("unsupported_response_type", "The response_type must be code.")
	}
	if query.Has("code_challenge") && query.Get("code_challenge_method") != "S256" {
		return badRequest("invalid_request", "The code_challenge_method must be S256.")
	}
	scopes, refused := o.parseScopes(query.Get("scope"))
	if refused == nil {
		asked.resource, refused = o.resources(query)
	}
	asked.scopes = scopes
	asked.nonce = query.Get("nonce")
	asked.challenge = query.Get("code_challenge")
	return refused
}

// allow sends the browser back with an authorization code.
func (s *Server) allow(w http.ResponseWriter, r *http.Request, asked authorization, user User) {
	text, now := opaque(), s.Clock.Now()
	allowed := s.newGrant(asked.client, user, asked.scopes, asked.nonce)
	allowed.resource = asked.resource
	issued := &code{
		grant:     allowed,
		redirect:  asked.redirect.String(),
		challenge: asked.challenge,
	}
	s.state.mu.Lock()
	s.state.codes.put(text, issued, now, now.Add(codeLife))
	s.state.mu.Unlock()
	asked.answer(w, r, url.Values{"code": {text}})
}

// refuse sends the browser back with an error.
func (a authorization) refuse(w http.ResponseWriter, r *http.Request, refused *refusal) {
	a.answer(w, r, url.Values{"error": {refused.Code}, "error_description": {refused.Description}})
}

// answer sends the browser back with values and the request's state. There is no
// iss (RFC 9207).
func (a authorization) answer(w http.ResponseWriter, r *http.Request, values url.Values) {
	address := *a.redirect
	query := address.Query()
	for name, value := range values {
		query[name] = value
	}
	if a.state != "" {
		query.Set("state", a.state)
	}
	address.RawQuery = query.Encode()
	http.Redirect(w, r, address.String(), http.StatusFound)
}
