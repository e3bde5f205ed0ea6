package opencode

import (
	"fmt"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A SignInMethod is an entry of the host's list of ways to sign in.
type SignInMethod struct {
	Label    string       `json:"label"`
	Params   methodParams `json:"params"`
	Question *question    `json:"question,omitempty"`
}

type methodParams struct {
	Flow     signin.Flow `json:"flow,omitempty"`
	Provider string      `json:"provider,omitempty"` // of an endpoint with a session of its own
}

// A question asks whether a project's configuration is trusted: it may come with a
// repository that somebody else wrote. The answer Yes is the digest of what was shown, so
// that it confirms nothing else.
type question struct {
	Message string   `json:"message"`
	Options []option `json:"options"` // No first
}

type option struct {
	Label string `json:"label"`
	Value string `json:"value"`
	Hint  string `json:"hint,omitempty"`
}

// NotConfirmed is the value of the answer No.
const NotConfirmed = "no"

// labels are shown by /connect and "opencode auth login".
var labels = map[signin.Flow]string{
	signin.Browser: "Sign in with a browser",
	signin.Device:  "Sign in with a code on another device",
	signin.Paste:   "Sign in elsewhere and paste the redirect URL",
}

// MethodsFor returns the ways to sign in, the preferred one first, for the sessions, or for
// the error because of which there are none.
func MethodsFor(sessions *scopes.Sessions, err error) []SignInMethod {
	var flows []signin.Flow
	if err == nil {
		flows = sessions.For("").Flows()
	} else {
		flows = signin.Flows(config.Config{})
	}
	var asked *question
	if u := config.AsUnconfirmed(err); u != nil {
		flows = signin.Flows(u.Config)
		// Each address has a line of its own: the dialog wraps a long line, and cuts nothing off.
		asked = &question{
			fmt.Sprintf("Trust this project's configuration?\nIt signs you in at\n%s\nand sends your tokens to\n%s", u.Domain(), strings.Join(u.Endpoints(), "\n")),
			[]option{{"No", NotConfirmed, u.Config.Path}, {"Yes", u.Digest, ""}},
		}
	}
	methods := []SignInMethod{}
	for _, flow := range flows {
		methods = append(methods, SignInMethod{labels[flow], methodParams{Flow: flow}, asked})
	}
	if len(methods) == 0 {
		methods = append(methods, SignInMethod{"Check the connection: no sign-in is needed", methodParams{}, asked})
	}
	if err != nil {
		return methods
	}
	for _, session := range sessions.All()[1:] {
		own := session.Config()
		for _, flow := range session.Flows() {
			methods = append(methods, SignInMethod{fmt.Sprintf("%s (%s)", labels[flow], endpoint.IDs(own.Others)), methodParams{flow, own.Endpoints()[0].Provider()}, nil})
		}
	}
	return methods
}
