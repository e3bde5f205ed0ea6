//go:build !race

package oidc

const raceDetector = false
