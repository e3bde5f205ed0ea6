package domaintest

import "net/http"

// The paths of the domain. The device path is in no discovery document.
const (
	pathDiscovery     = "/.well-known/openid-configuration"
	pathIDCSDiscovery = "/.well-known/idcs-configuration"
	pathKeys          = "/admin/v1/SigningCert/jwk"
	pathAuthorize     = "/oauth2/v1/authorize"
	pathToken         = "/oauth2/v1/token"
	pathDevice        = "/oauth2/v1/device"
	pathRevoke        = "/oauth2/v1/revoke"
	pathSignIn        = "/ui/v1/signin"
	pathDevicePage    = "/ui/v1/device"
)

// domain returns the handler of the whole domain.
func (s *Server) domain() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pathDiscovery, s.serve(Discovery, getOnly(s.discovery)))
	mux.Handle(pathIDCSDiscovery, s.serve(Discovery, getOnly(s.idcsDiscovery)))
	mux.Handle(pathKeys, s.serve(Keys, getOnly(s.keys)))
	mux.Handle(pathAuthorize, s.serve(Authorize, getOnly(s.authorize)))
	mux.Handle(pathSignIn, s.serve(SignIn, formOnly(s.signIn)))
	mux.Handle(pathToken, s.serve(Token, formOnly(s.token)))
	mux.Handle(pathDevice, s.serve(Device, formOnly(s.device)))
	mux.Handle("GET "+pathDevicePage, s.serve(DevicePage, s.deviceForm))
	mux.Handle(pathDevicePage, s.serve(DevicePage, formOnly(s.deviceAnswer)))
	mux.Handle(pathRevoke, s.serve(Revoke, formOnly(s.revoke)))
	return mux
}

// identityScopes are the scopes of the domain itself.
var identityScopes = []string{"openid", "profile", "offline_access", "email", "address", "phone",
	"groups", "get_groups", "approles", "get_approles"}

// metadata returns the discovery document (OpenID Connect Discovery 1.0, section 3),
// with the domain's absences: no device endpoint, no PKCE methods, no registration
// and no RFC 9207 parameter. Nothing answers at the last three endpoints.
func (s *Server) metadata() map[string]any {
	return map[string]any{
		"issuer":                 s.current().Issuer,
		"authorization_endpoint": s.URL + pathAuthorize,
		"token_endpoint":         s.URL + pathToken,
		"revocation_endpoint":    s.URL + pathRevoke,
		"jwks_uri":               s.URL + pathKeys,
		"userinfo_endpoint":      s.URL + "/oauth2/v1/userinfo",
		"introspection_endpoint": s.URL + "/oauth2/v1/introspect",
		"end_session_endpoint":   s.URL + "/oauth2/v1/userlogout",
		"scopes_supported":       identityScopes,
		"response_types_supported": []string{"code", "token", "id_token", "code token", "code id_token",
			"token id_token", "code token id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"claims_supported":                      []string{"aud", "exp", "iat", "iss", "jti", "sub"},
		"grant_types_supported": []string{"client_credentials", "password", "refresh_token", "authorization_code",
			"urn:ietf:params:oauth:grant-type:jwt-bearer", "tls_client_auth"},
		"token_endpoint_auth_methods_supported":            []string{"client_secret_basic", "private_key_jwt", "client_secret_post"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256"},
		"userinfo_signing_alg_values_supported":            []string{"none"},
		"ui_locales_supported":                             []string{"en"},
		"claims_parameter_supported":                       false,
		"http_logout_supported":                            true,
		"logout_session_supported":                         false,
		"request_parameter_supported":                      false,
		"request_uri_parameter_supported":                  false,
		"require_request_uri_registration":                 false,
	}
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.metadata())
}

// idcsDiscovery answers with the same document, one level down.
func (s *Server) idcsDiscovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"openid-configuration": s.metadata()})
}
