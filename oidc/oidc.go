// Package oidc keeps a person signed in at an OCI IAM identity domain.
//
// # Who decides
//
// A [Session] decides: the token in memory, else the one on the disk, else a
// refresh, else the person must sign in. Package signin makes the sign-in, by one of
// its flows; package domain speaks the domain's protocol, and decides nothing.
//
// In session.go, [Session.Token] returns a token as it is or waits for a refresh; its
// method due says whether to refresh in the background, ahead of the expiry; and
// [Session.Another] is for a token that the endpoint may have refused. refresh.go makes
// the refresh, unless another process has made it, and the pause after a failed one.
// cache.go has the tokens in memory, the lock, and the margin before the expiry.
//
// # What it promises
//
// One refresh, however many callers and processes want a token; new tokens are
// on the disk before anyone uses them; only the domain's invalid_grant ends a
// session; [Session.Token] never opens a browser and never asks.
package oidc
