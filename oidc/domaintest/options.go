package domaintest

import (
	"cmp"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// GenericIssuer is the issuer that domains share unless their owner changes it.
const GenericIssuer = "https://identity.oraclecloud.com/"

// The clients, the resource and the redirect of the default domain.
const (
	ConfidentialClient = "confidential-client"
	ConfidentialSecret = "confidential-secret"
	MobileClient       = "mobile-client" // a public client
	DefaultRedirect    = "http://localhost:8765/callback"
	DefaultScope       = "https://llm.example.com/chat" // a resource's audience and scope, concatenated
)

// DefaultUser signs in at the default domain.
var DefaultUser = User{Name: "maria@example.com", Password: "open sesame", DisplayName: "Maria Example"}

// Options say how a domain and its endpoint behave. The zero value is the
// faithful default domain; each field's comment tells what its zero value means.
// [Server.Change] sets them on a running server. The JSON names are those of the
// control handler.
type Options struct {
	// DomainAddr and EndpointAddr are where to listen, "127.0.0.1:0" by default.
	// They, TLS, PublicURL and Clock are fixed once the server runs.
	DomainAddr   string `json:"-"`
	EndpointAddr string `json:"-"`
	// TLS makes the domain speak https: without it, it does not.
	TLS *tls.Config `json:"-"`
	// PublicURL is the domain's address where something in between has another
	// one, such as a proxy: by default that of its listener.
	PublicURL string `json:"-"`
	// Clock is a clock of its own by default. Servers may share one.
	Clock *Clock `json:"-"`

	// Clients are the domain's applications: by default [ConfidentialClient] and
	// [MobileClient], both with [DefaultRedirect].
	Clients []Client `json:"-"`
	// Users may sign in: by default [DefaultUser].
	Users []User `json:"-"`
	// Resources are the applications whose scopes can be asked for. The endpoint
	// is the first one and demands one of its scopes. By default [DefaultScope].
	Resources []Resource `json:"-"`

	// Issuer is [GenericIssuer] by default.
	Issuer string `json:"issuer"`
	// PublicSigningKeys is "Configure client access": without it the signing keys
	// answer 401.
	PublicSigningKeys bool `json:"public_signing_keys"`

	// ExpiresIn is the life of an access token in seconds, 3600 by default.
	ExpiresIn int `json:"expires_in"`
	// DeviceLife is the life of a device code in seconds, 300 by default.
	DeviceLife int `json:"device_life"`

	// SameAccessToken hands out one access token until it ends, as WSO2's API Manager
	// does, whatever it is asked with.
	SameAccessToken bool `json:"same_access_token"`
	// Rotation is what a refresh does to the refresh token: [Rotate] by default.
	Rotation Rotation `json:"rotation"`
	// ReuseStatus is the HTTP status of the invalid_grant that answers a refresh
	// token which no longer serves: 400 by default, 401 is the other candidate.
	ReuseStatus int `json:"reuse_status"`
	// FamilyRevocation makes the reuse of a refresh token end all its successors.
	FamilyRevocation bool `json:"family_revocation"`

	// SlowDown is how many polls of each device code are answered slow_down before
	// the domain says anything else (RFC 8628, section 3.5).
	SlowDown int `json:"slow_down"`
	// AutoApprove needs no person: the sign-in page redirects straight back as the
	// first user, and a visit to the device page approves every waiting code.
	AutoApprove bool `json:"auto_approve"`
	// AutoApproveDevices approves a device code as soon as it is issued.
	AutoApproveDevices bool `json:"auto_approve_devices"`

	// ResourceIndicators makes the domain know the parameter resource (RFC 8707);
	// without it the domain ignores it, as it ignores all that it does not know.
	ResourceIndicators bool `json:"resource_indicators"`
	// PasswordAge is how many seconds ago a person who comes to the sign-in page has
	// entered the password: it is told as auth_time, whatever max_age asks for.
	PasswordAge int `json:"password_age"`

	// TokenLatency is how long, in real time, the token operation takes to begin.
	TokenLatency time.Duration `json:"-"`

	// Models are what the endpoint lists, [DefaultModel] by default.
	Models []string `json:"models"`
	// Catalogue is how it tells them, [PlainOpenAI] by default.
	Catalogue Catalogue `json:"catalogue"`
	// Chat writes the endpoint's answers; by default [Greet].
	Chat ChatFunc `json:"-"`
	// Tamper answers a request in the server's place, or lets honest answer: for
	// a domain or an endpoint that is not to be trusted. By default all are honest.
	Tamper func(op Operation, w http.ResponseWriter, r *http.Request, honest http.HandlerFunc) `json:"-"`
}

// A Client is an application registered at the domain.
type Client struct {
	ID string
	// Secret makes the client confidential; a "Mobile application" has none.
	Secret string
	// PublicKey makes the client confidential too: it may authenticate by an RS256
	// assertion (RFC 7523, section 2.2).
	PublicKey *rsa.PublicKey
	// CertificateName makes the client confidential too: it may authenticate by a
	// TLS certificate with this common name (RFC 8705, section 2.1).
	CertificateName string
	// KeyID is the alias under which the key's certificate was imported; an
	// assertion must name it, unless it is empty.
	KeyID string
	// RedirectURIs are compared as strings, as a whole.
	RedirectURIs []string
	// NoRefreshGrant takes the Refresh Token grant away from the client.
	NoRefreshGrant bool
}

// confidential reports whether the client has something to authenticate with.
func (c Client) confidential() bool {
	return c.Secret != "" || c.PublicKey != nil || c.CertificateName != ""
}

// A User is a person who can sign in.
type User struct {
	Name        string // the subject of the tokens
	Password    string
	DisplayName string
}

// A Resource is an application whose scopes clients ask for. What they ask for is
// Audience and one of Scopes, concatenated without anything in between.
type Resource struct {
	Audience string
	Scopes   []string
	// NoTokenRefresh turns "Allow token refresh" off.
	NoTokenRefresh bool
}

// Rotation is what a refresh does to the refresh token.
type Rotation string

// The rotations. The empty value is Rotate.
const (
	Rotate Rotation = "rotate" // a new one is in the answer, the old one has served
	Keep   Rotation = "keep"   // the same one is in the answer
	Omit   Rotation = "omit"   // none is in the answer, the old one goes on serving
)

// UnmarshalText refuses what is no rotation.
func (r *Rotation) UnmarshalText(text []byte) error {
	return oneOf(r, Rotation(text), Rotate, Keep, Omit)
}

// oneOf sets target to value if it is one of the known ones.
func oneOf[T ~string](target *T, value T, known ...T) error {
	if !slices.Contains(known, value) {
		return fmt.Errorf("%q is none of %q", value, known)
	}
	*target = value
	return nil
}

// withDefaults returns a copy that shares no slice with o and has no zero field
// where zero means a default.
func (o Options) withDefaults() Options {
	o.DomainAddr = cmp.Or(o.DomainAddr, "127.0.0.1:0")
	o.EndpointAddr = cmp.Or(o.EndpointAddr, "127.0.0.1:0")
	o.Clock = cmp.Or(o.Clock, &Clock{})
	o.Issuer = cmp.Or(o.Issuer, GenericIssuer)
	o.ExpiresIn = cmp.Or(o.ExpiresIn, 3600)
	o.DeviceLife = cmp.Or(o.DeviceLife, 300)
	o.Rotation = cmp.Or(o.Rotation, Rotate)
	o.ReuseStatus = cmp.Or(o.ReuseStatus, 400)
	o.Catalogue = cmp.Or(o.Catalogue, PlainOpenAI)
	if o.Chat == nil {
		o.Chat = Greet
	}
	o.Users = orDefault(o.Users, DefaultUser)
	o.Models = orDefault(o.Models, DefaultModel)
	o.Resources = orDefault(o.Resources, Resource{Audience: "https://llm.example.com", Scopes: []string{"/chat"}})
	for i := range o.Resources {
		o.Resources[i].Scopes = slices.Clone(o.Resources[i].Scopes)
	}
	o.Clients = orDefault(o.Clients,
		Client{ID: ConfidentialClient, Secret: ConfidentialSecret, RedirectURIs: []string{DefaultRedirect}},
		Client{ID: MobileClient, RedirectURIs: []string{DefaultRedirect}})
	for i := range o.Clients {
		o.Clients[i].RedirectURIs = slices.Clone(o.Clients[i].RedirectURIs)
	}
	return o
}

// orDefault returns a copy of list, or defaults if it is empty.
func orDefault[T any](list []T, defaults ...T) []T {
	if len(list) == 0 {
		return defaults
	}
	return slices.Clone(list)
}

// Options returns the options in force, defaults filled in. The caller may keep
// and change what it gets.
func (s *Server) Options() Options { return s.current().withDefaults() }

// current returns the options in force, to be read only.
func (s *Server) current() *Options { return s.options.Load() }

// Change lets change edit the options in force; the next request meets the new
// ones, requests being answered finish with the old.
func (s *Server) Change(change func(*Options)) {
	s.setting.Lock()
	defer s.setting.Unlock()
	options := s.Options()
	change(&options)
	options = options.withDefaults()
	s.options.Store(&options)
}

// AllowRedirect registers one more redirect address for the client.
func (s *Server) AllowRedirect(clientID, redirectURI string) {
	s.Change(func(o *Options) {
		for i := range o.Clients {
			if o.Clients[i].ID == clientID {
				o.Clients[i].RedirectURIs = append(o.Clients[i].RedirectURIs, redirectURI)
			}
		}
	})
}

// client returns the client with that ID.
func (o *Options) client(id string) (Client, bool) {
	i := slices.IndexFunc(o.Clients, func(c Client) bool { return c.ID == id })
	if i < 0 {
		return Client{}, false
	}
	return o.Clients[i], true
}

// user returns the user with that name and password.
func (o *Options) user(name, password string) (User, bool) {
	i := slices.IndexFunc(o.Users, func(u User) bool { return u.Name == name && u.Password == password })
	if i < 0 {
		return User{}, false
	}
	return o.Users[i], true
}
