package config

import (
	"encoding/json"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
)

// SchemaURL is the address of the JSON Schema in the published package, for editors. It
// names the major version, because keys may change with it.
const SchemaURL = "https://unpkg.com/opencode-oci-oidc@2/oci-auth.config.schema.json"

// A Key describes one key of the configuration. The JSON Schema and the comments in a new
// configuration are generated from it.
type Key struct {
	Name     string
	Type     ValueType
	About    string   // one or more sentences for people
	Default  string   // "" for none
	Required bool     // required regardless of the other keys
	Values   []string // the allowed values; nil for any
	Pattern  string   // a regular expression that values must match; "" for none
	Example  string   // an example of a value
	Trust    Trust    // what it can do in a project's configuration
}

// A ValueType is the type of a key's value.
type ValueType int

// The types of values.
const (
	Text      ValueType = iota
	Texts               // one text, or a list of texts
	Flag                // true or false
	Number              // an integer, 0 or more
	Mapping             // an object with texts as values
	Addresses           // an object of base URLs, or of objects with base_url, name and scope
)

// value converts text from a [Key] or from a person's input to a value of the key's type.
func (k Key) value(text string) any {
	switch words := strings.Fields(text); {
	case k.Type == Texts && len(words) > 1:
		return words
	case k.Type == Text || k.Type == Texts || !json.Valid([]byte(text)):
		return text
	default:
		return json.RawMessage(text)
	}
}

const (
	originPattern = `^(https://|http://(localhost|127\.|\[::1\]))[^/?#@<>]+/?$`
	webPattern    = `^(https://|http://(localhost|127\.|\[::1\]))[^?#@<>]+$`
	uriPattern    = `^[a-zA-Z][a-zA-Z0-9+.-]*:[^#<>\s]+$`
	loopPattern   = `^http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?(/[^?#]*)?$`
)

// Keys lists all keys in the order in which a person fills them in. A new key also needs
// configFile, Config and parse in config.go; CONTRIBUTING.md lists the rest.
var Keys = []Key{
	{Name: "domain_url", Trust: TrustValue, Required: true, Pattern: originPattern,
		About:   "The address of the identity domain, without a path, from its page in the OCI console.",
		Example: "https://idcs-00000000000000000000000000000000.identity.oraclecloud.com"},
	{Name: "client_id", Trust: TrustValue, Required: true, Pattern: `^[^\s<>]+$`,
		About:   "The client ID of the integrated application in that domain.",
		Example: "0123456789abcdef0123456789abcdef"},
	{Name: "client_secret", Trust: TrustSecret,
		About: "The client secret, for a confidential application only: best \"{file:PATH}\", a file that only you can read " +
			"(chmod 600), or \"{env:NAME}\", an environment variable, or else the text itself.",
		Example: "{file:~/.secrets/oci-client-secret}"},
	{Name: "client_key", Trust: TrustSecret,
		About: "A private key instead of the client secret (private_key_jwt, RS256): \"{file:PATH}\" or \"{env:NAME}\", " +
			"an RSA key in PEM (PKCS#1 or PKCS#8).",
		Example: "{file:~/.secrets/oci-client-key.pem}"},
	{Name: "client_key_id", Trust: TrustValue,
		About: "The key's ID (kid): the alias under which its certificate was imported into the application. " +
			"Oracle's domains want it beside client_key.",
		Example: "opencode"},
	{Name: "auth_method", Trust: TrustValue, Default: string(ConfidentialApp), Values: methodNames,
		About: "What kind of application it is: a confidential_app has a client secret or client_key, private_key_jwt only " +
			"the key; a mobile_app has neither and signs in with a code, a public_app has neither and signs in with the " +
			"browser; client_credentials is for CI and servers: the application itself, without a person."},
	{Name: "sign_in", Trust: TrustValue, Values: signIns,
		About: "Which way to sign in comes first, where your company's domain allows only one: with the browser, with a code " +
			"that is entered on any device, or by pasting the redirect. Without it, the one that suits the application and the machine.",
		Example: "device"},
	{Name: "redirect_uri", Trust: TrustValue, Type: Texts, Default: DefaultRedirectURI, Pattern: loopPattern,
		About: "Where the browser brings the answer: on this machine, and registered with the application letter for letter. " +
			"A list is tried in its order, where another program has a port."},
	{Name: "scope", Trust: TrustValue, Default: DefaultScope,
		About: "What to ask the domain for, separated by spaces. offline_access lets the session last beyond one token; " +
			"the endpoint usually wants a scope of its own, added here: the resource's audience and the scope's name written together. " +
			"With client_credentials there is no default."},
	{Name: "resource", Trust: TrustValue, Type: Texts, Pattern: uriPattern,
		About:   "What the token is for (RFC 8707), where the domain wants it beside scope: an absolute URI, or a list.",
		Example: "https://llm.example.com"},
	{Name: "audience", Trust: TrustValue,
		About:   "What the token is for, as some providers other than Oracle's want it said.",
		Example: "https://llm.example.com"},
	{Name: "login_hint", Trust: TrustValue,
		About:   "The user name to fill in at the sign-in page.",
		Example: "maria@example.com"},
	{Name: "prompt", Trust: TrustValue, Pattern: `^(none|(login|consent|select_account)( (login|consent|select_account))*)$`,
		About:   "What the sign-in page does in any case: login, consent, select_account, or none.",
		Example: "login"},
	{Name: "max_age", Trust: TrustValue, Type: Number,
		About:   "How long ago, in seconds, the person may have entered their password when they sign in here. It is checked.",
		Example: "28800"},
	{Name: "extra_params", Trust: TrustValue, Type: Mapping,
		About:   "More parameters for the domain, sent when a session is begun. Those of the protocol itself are refused.",
		Example: `{"ui_locales": "de"}`},
	{Name: "issuer", Trust: TrustValue, Pattern: webPattern,
		About: "The issuer that tokens must name, if it differs from the one in the domain's discovery document. " +
			"If it is on the domain's own host and has a path, the document is looked for there.",
		Example: "https://identity.oraclecloud.com/"},
	{Name: "strict_id_token", Trust: TrustValue, Type: Flag, Default: "false",
		About: "Verify the signature of ID tokens. The domain's signing keys must be public: " +
			"\"Configure client access\" in its settings."},
	{Name: "llm_base_url", Trust: TrustValue, Required: true, Pattern: webPattern,
		About:   "The OpenAI-compatible endpoint. The token goes to its origin and nowhere else.",
		Example: "https://llm.example.com/v1"},
	{Name: "endpoints", Trust: TrustValue, Type: Addresses, Pattern: webPattern,
		About: "More endpoints, each a provider of its own in OpenCode (oci-oidc-qwen). " +
			"The value is the base URL, or an object with base_url, the name that OpenCode shows, and the scope of an endpoint " +
			"that does not take the token of the key scope: it has a sign-in of its own then.",
		Example: `{"qwen": "https://qwen.example.com/v1"}`},
	{Name: "ca_file", Trust: TrustContent,
		About: "A file with your company's CA in PEM form, trusted beside the system's: where connections are inspected. " +
			"It holds for the domain and for the endpoint.",
		Example: "~/.config/opencode/company-ca.pem"},
	{Name: "tls_client_cert", Trust: TrustSecretFile,
		About:   "A file with a client certificate in PEM form, shown to a domain that asks for one (mTLS).",
		Example: "~/.secrets/oci-client.crt"},
	{Name: "tls_client_key", Trust: TrustSecretFile,
		About:   "The file with its private key in PEM form, without a passphrase, unless that is in the same file.",
		Example: "~/.secrets/oci-client.key"},
	{Name: "token_store", Trust: TrustValue, Default: string(FileStore), Values: tokenStores,
		About: "How the tokens are saved: in a file that only you can read, or (keyring) in that file encrypted, " +
			"with a key in the keyring of your operating system. With auto, each sign-in decides: keyring if it answers, otherwise file."},
	{Name: "log_level", Trust: TrustHarmless, Default: DefaultLogLevel, Values: logging.Levels,
		About: "How much is logged. NONE writes nothing, VERBOSE most."},
	{Name: "log_file", Trust: TrustWritten,
		About: "Another place for the log than ~/oci-oidc-debug.log (Linux, macOS) or " +
			`%LOCALAPPDATA%\opencode-oci-oidc\plugin.log (Windows).`,
		Example: "~/oci-oidc-debug.log"},
	{Name: "allow_agent_token", Trust: TrustOwn, Type: Flag, Default: "false",
		About: "Let OpenCode's agent run \"oci-oidc-helper token\" in its shell, and so get at the access token."},
	{Name: "managed", Trust: TrustHarmless, Type: Flag,
		About: "For the administrator's file alone (/etc/opencode and its like): what it sets holds, whatever " +
			"a person's or a project's configuration says.",
		Example: "true"},
	{Name: "$from", Trust: TrustValue, Pattern: webPattern,
		About:   "Where your company publishes this configuration. \"init --from\" writes it, and doctor says when the published one differs.",
		Example: "https://intranet.example.com/oci-auth.config.jsonc"},
	{Name: "$schema", Trust: TrustHarmless, About: "The JSON Schema of this file, for editors.", Example: SchemaURL},
}
