package opencode

import (
	"fmt"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// A SignInMethod is a way to sign in as the host lists it.
type SignInMethod struct {
	Label    string       `json:"label"`
	Params   methodParams `json:"params"`
	Question *question    `json:"question,omitempty"`
}

type methodParams struct {
	Flow signin.Flow `json:"flow,omitempty"`
}

// A question is asked before the configuration of a project holds: it may come with a
// repository that somebody else wrote. The answer is the digest of what was shown, so that
// it holds for nothing else.
type question struct {
	Message string   `json:"message"`
	Options []option `json:"options"` // No first
}

type option struct {
	Label string `json:"label"`
	Value string `json:"value"`
	Hint  string `json:"hint,omitempty"`
}

// NotConfirmed is the answer No.
const NotConfirmed = "no"

// labels are what /connect and "opencode auth login" show for each flow.
var labels = map[signin.Flow]string{
	signin.Browser: "Sign in with a browser",
	signin.Device:  "Sign in with a code on another device",
	signin.Paste:   "Sign in elsewhere and paste the redirect URL",
}

// MethodsFor returns the ways to sign in, the best one first, for a session or for the
// error that stands in its way.
func MethodsFor(session *oidc.Session, err error) []SignInMethod {
	var flows []signin.Flow
	if session != nil && err == nil {
		flows = session.Flows()
	} else {
		flows = signin.Flows(config.Config{})
	}
	var asked *question
	if u := config.AsUnconfirmed(err); u != nil {
		flows = signin.Flows(u.Config)
		// A line each: where one is too long, the dialog breaks it and cuts nothing off.
		asked = &question{
			fmt.Sprintf("Trust this project's configuration?\nIt signs you in at\n%s\nand sends your tokens to\n%s", u.Domain(), strings.Join(u.Endpoints(), "\n")),
			[]option{{"No", NotConfirmed, u.Config.Path}, {"Yes", u.Digest, ""}},
		}
	}
	methods := []SignInMethod{}
	for _, flow := range flows {
		methods = append(methods, SignInMethod{labels[flow], methodParams{flow}, asked})
	}
	if len(methods) == 0 {
		methods = append(methods, SignInMethod{"Check the connection: no sign-in is needed", methodParams{}, asked})
	}
	return methods
}
