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
	pathIntrospect    = "/oauth2/v1/introspect"
	pathUserInfo      = "/oauth2/v1/userinfo"
	pathLogout        = "/oauth2/v1/userlogout"
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
	mux.Handle(pathIntrospect, s.serve(Introspect, formOnly(s.introspect)))
	mux.Handle(pathUserInfo, s.serve(UserInfo, s.userInfo))
	mux.Handle(pathLogout, s.serve(Logout, getOnly(s.logout)))
	return mux
}

// metadata is the discovery document (OpenID Connect Discovery 1.0, section 3),
// with the domain's absences: no device endpoint, no PKCE methods, no registration
// and no RFC 9207 parameter.
type metadata struct {
	Issuer                   string   `json:"issuer"`
	AuthorizationEndpoint    string   `json:"authorization_endpoint"`
	TokenEndpoint            string   `json:"token_endpoint"`
	UserInfoEndpoint         string   `json:"userinfo_endpoint"`
	RevocationEndpoint       string   `json:"revocation_endpoint"`
	IntrospectionEndpoint    string   `json:"introspection_endpoint"`
	EndSessionEndpoint       string   `json:"end_session_endpoint"`
	KeysURI                  string   `json:"jwks_uri"`
	Scopes                   []string `json:"scopes_supported"`
	ResponseTypes            []string `json:"response_types_supported"`
	SubjectTypes             []string `json:"subject_types_supported"`
	IDTokenAlgorithms        []string `json:"id_token_signing_alg_values_supported"`
	Claims                   []string `json:"claims_supported"`
	GrantTypes               []string `json:"grant_types_supported"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgorithms      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	UserInfoAlgorithms       []string `json:"userinfo_signing_alg_values_supported"`
	Locales                  []string `json:"ui_locales_supported"`
	ClaimsParameter          bool     `json:"claims_parameter_supported"`
	HTTPLogout               bool     `json:"http_logout_supported"`
	LogoutSession            bool     `json:"logout_session_supported"`
	RequestParameter         bool     `json:"request_parameter_supported"`
	RequestURIParameter      bool     `json:"request_uri_parameter_supported"`
	RequireRequestRegistered bool     `json:"require_request_uri_registration"`
}

// identityScopes are the scopes of the domain itself.
var identityScopes = []string{"openid", "profile", "offline_access", "email", "address", "phone",
	"groups", "get_groups", "approles", "get_approles"}

func (s *Server) metadata() metadata {
	return metadata{
		Issuer:                s.current().Issuer,
		AuthorizationEndpoint: s.URL + pathAuthorize,
		TokenEndpoint:         s.URL + pathToken,
		UserInfoEndpoint:      s.URL + pathUserInfo,
		RevocationEndpoint:    s.URL + pathRevoke,
		IntrospectionEndpoint: s.URL + pathIntrospect,
		EndSessionEndpoint:    s.URL + pathLogout,
		KeysURI:               s.URL + pathKeys,
		Scopes:                identityScopes,
		ResponseTypes: []string{"code", "token", "id_token", "code token", "code id_token",
			"token id_token", "code token id_token"},
		SubjectTypes:      []string{"public"},
		IDTokenAlgorithms: []string{"RS256"},
		Claims:            []string{"aud", "exp", "iat", "iss", "jti", "sub"},
		GrantTypes: []string{"client_credentials", "password", "refresh_token", "authorization_code",
			"urn:ietf:params:oauth:grant-type:jwt-bearer", "tls_client_auth"},
		TokenAuthMethods:    []string{"client_secret_basic", "private_key_jwt", "client_secret_post"},
		TokenAuthAlgorithms: []string{"RS256"},
		UserInfoAlgorithms:  []string{"none"},
		Locales:             []string{"en"},
		HTTPLogout:          true,
	}
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.metadata())
}

// idcsDiscovery answers with the same document, one level down.
func (s *Server) idcsDiscovery(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"openid-configuration": s.metadata()})
}
