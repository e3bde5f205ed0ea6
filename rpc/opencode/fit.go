package opencode

import (
	"fmt"
	"os"
	"regexp"
	"sync"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// release matches the version of a release. Other versions come from a build in a clone,
// and may be combined freely.
var release = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^v?(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)$`) })

// Unfit returns the problem of a shim whose version is not this helper's, or nil.
func Unfit(shim, theirVersion, version string, sameProtocol bool) *problem.Problem {
	ours, theirs := release().FindStringSubmatch(version), release().FindStringSubmatch(theirVersion)
	if sameProtocol && (ours == nil || theirs == nil || ours[1] == theirs[1]) {
		return nil
	}
	hint := "Install the plugin again."
	if os.Getenv("OCI_OIDC_HELPER") != "" {
		hint = "Unset OCI_OIDC_HELPER, to use the helper that comes with the plugin."
	}
	return problem.New(problem.Config,
		fmt.Sprintf("oci-oidc-helper %s does not fit %s %s: both parts must be of one version.", version, shim, theirVersion), hint)
}
