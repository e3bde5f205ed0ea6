package house

import (
	"strings"
	"testing"
)

// goreleaser builds the same program as make, so the tests try what is released.
func TestReleasesAreBuiltLikeMake(t *testing.T) {
	release, makefile := document(t, "goreleaser.yaml"), document(t, "Makefile")
	for inRelease, inMakefile := range map[string]string{
		"env: [CGO_ENABLED=0]":     "GO_BUILD := CGO_ENABLED=0 go build -tags nethttpomithttp2 -trimpath\n",
		"tags: [nethttpomithttp2]": "$(GO_BUILD) -ldflags '$(LDFLAGS) -X main.version=$(VERSION)'",
		"flags: [-trimpath]":       `$(GO_BUILD) -ldflags "$(LDFLAGS) -X main.version=$$version"`,
		"ldflags: -s -w -funcalign=16 -X main.version={{ .Version }} ": "LDFLAGS  := -s -w -funcalign=16\n",
	} {
		if !strings.Contains(release, inRelease) {
			t.Errorf("goreleaser.yaml lacks %q", inRelease)
		}
		if !strings.Contains(makefile, inMakefile) {
			t.Errorf("the Makefile lacks %q", inMakefile)
		}
	}
}
