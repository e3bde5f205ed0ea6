package opencode

import (
	"fmt"
	"os"
	"regexp"
	"sync"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// release is a release's version. What is built in a clone is named otherwise, and may be
// mixed.
var release = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^v?(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)$`) })

// Unfit is the problem of a shim that is not of this helper's version, or nil.
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
