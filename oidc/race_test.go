//go:build race

package oidc

// raceDetector makes every step some ten times slower.
const raceDetector = true
