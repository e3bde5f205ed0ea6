// Package e2e tries the product as people use it: the real OpenCode with the
// plugin of this tree and the helper built from it, a real browser, and, beside
// the stand-in domain, an identity provider that nobody here wrote.
//
// The helper is the program that OCI_OIDC_HELPER names, else the one that make
// build makes. What a machine lacks is skipped with a reason.
package e2e

import "time"

const (
	runLimit     = 4 * time.Minute  // of one run of OpenCode, on a busy machine
	prepareLimit = 10 * time.Minute // of the first start of a version, which installs
	pollEvery    = 20 * time.Millisecond
)

// The labels of the ways to sign in, as the plugin shows them.
const (
	withBrowser = "Sign in with a browser"
	withCode    = "Sign in with a code on another device"
	withPaste   = "Sign in elsewhere and paste the redirect URL"
)

// The answer of the stand-in endpoint to a request with a good token.
const greeting = "Hello Maria Example, your token is valid."
