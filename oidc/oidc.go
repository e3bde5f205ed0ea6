// Package oidc signs a person in at an OCI IAM identity domain and keeps them
// signed in.
//
// # Who decides
//
// A [Domain] speaks the domain's protocol and decides nothing. A [Session]
// decides: the token in memory, else the one on the disk, else a refresh, else
// the person must sign in. A sign-in is made by one of the flows: authorization
// code with the browser (RFC 6749, 7636, 8252), device code (RFC 8628), or a
// redirect that the person pastes.
//
// # What it promises
//
// One refresh, however many callers and processes want a token; new tokens are
// on the disk before anyone uses them; only the domain's invalid_grant ends a
// session; [Session.Token] never opens a browser and never asks.
//
// # What it refuses
//
// A callback without this attempt's state, a redirect that is not the registered
// one, an endpoint that is neither https nor on loopback. Oracle's domains differ
// from the specifications in places; each such place says so where it is handled.
package oidc
