// Package oidc keeps a person signed in at an OCI IAM identity domain.
//
// # Who decides
//
// A [Session] decides where an access token comes from: memory, else the file of saved
// tokens, else a refresh, else the person must sign in. Package signin implements the
// sign-in flows; package domain implements the domain's protocol, and decides nothing.
//
// In session.go, [Session.Token] returns a token as it is or waits for a refresh; its
// method due says whether to refresh in the background, ahead of the expiry; and
// [Session.Another] is for a token that the endpoint may have refused. refresh.go makes
// the refresh, unless another process has made it, and the pause after a failed one.
// cache.go has the tokens in memory, the lock, and the margin before the expiry.
//
// # What it promises
//
//   - However many callers and processes want a token, one refresh request is sent.
//   - New tokens are on the disk before anyone uses them.
//   - Only the error invalid_grant from the domain ends a session.
//   - [Session.Token] never opens a browser and never waits for a person.
package oidc
