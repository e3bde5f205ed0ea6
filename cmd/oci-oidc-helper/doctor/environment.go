package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unicode"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/place"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

func checkPlatform(_ context.Context, sys *system) Finding {
	message := fmt.Sprintf("oci-oidc-helper %s on %s-%s", sys.Version, runtime.GOOS, runtime.GOARCH)
	places := surroundings()
	if len(places) == 0 {
		return ok(message)
	}
	found := ok(message + ", " + strings.Join(places, ", "))
	found.Details = []string{`If the browser is on another machine, sign in with a code: "oci-oidc-helper connect --flow device".`}
	return found
}

// surroundings returns what may put the browser on another machine or network than the
// helper.
func surroundings() []string {
	var found []string
	if place.WSL() {
		found = append(found, "in WSL")
	}
	if place.SSH() {
		found = append(found, "over SSH")
	}
	if place.Container() {
		found = append(found, "in a container")
	}
	return found
}

// checkDirectories checks the variables that say where the person's own files are.
func checkDirectories(_ context.Context, sys *system) Finding {
	if message, hint := sys.Places.Misnamed(); message != "" {
		return warn(message, hint)
	}
	own := sys.Places.Outside(sys.Directory)
	if len(own.ConfigDirs) < len(sys.Places.ConfigDirs) {
		return warn("XDG_CONFIG_HOME is in the project, so that the configuration there counts as the project's.", "Name a directory elsewhere, or confirm the configuration.")
	}
	if own.StateDir != sys.Places.StateDir {
		return warn("XDG_STATE_HOME is in the project, so that no confirmation there counts.", "Name a directory elsewhere.")
	}
	return ok("your own configuration is below " + strings.Join(own.ConfigDirs, " or "))
}

func checkProxyVariables(_ context.Context, _ *system) Finding {
	var set []string
	for _, capitals := range network.ProxyVariables {
		for _, name := range []string{capitals, strings.ToLower(capitals)} {
			value := os.Getenv(name)
			if value == "" || runtime.GOOS == "windows" && name != capitals {
				continue
			}
			if wrong := network.CheckProxyVariable(name, value, ""); wrong != nil {
				return fail(wrong.Kind, wrong.Message, wrong.Hint)
			}
			if proxy, _ := network.ParseProxy(value); capitals != "NO_PROXY" {
				value = network.Shown(proxy)
			}
			set = append(set, name+"="+value)
		}
	}
	if len(set) == 0 {
		return ok("no proxy is set")
	}
	if message, hint := dividedOverProxy(); message != "" {
		return warn(message, hint, set...)
	}
	return ok("a proxy is set", set...)
}

// dividedOverProxy finds a proxy setting that the helper and OpenCode interpret differently.
func dividedOverProxy() (message, hint string) {
	for _, name := range network.ProxyVariables {
		if capitals, small := os.Getenv(name), os.Getenv(strings.ToLower(name)); capitals != "" && small != "" && capitals != small {
			return fmt.Sprintf("%s and %s differ: the helper goes by the first, OpenCode by the second.", name, strings.ToLower(name)), "Make them the same."
		}
	}
	proxy := cmp.Or(os.Getenv("HTTPS_PROXY"), os.Getenv("https_proxy"))
	direct := cmp.Or(os.Getenv("NO_PROXY"), os.Getenv("no_proxy"))
	switch {
	case proxy == "" && os.Getenv("ALL_PROXY")+os.Getenv("all_proxy") != "":
		return "ALL_PROXY is set, which neither the helper nor OpenCode reads.", "Set HTTPS_PROXY as well."
	case strings.HasPrefix(proxy, "socks"):
		return "HTTPS_PROXY names a SOCKS proxy, which OpenCode cannot use.", "Name an HTTP proxy, or add the endpoint's host to NO_PROXY if it is reached directly."
	case strings.ContainsFunc(strings.TrimSpace(strings.ReplaceAll(direct, ", ", ",")), func(r rune) bool { return strings.ContainsRune(";|，", r) || unicode.IsSpace(r) }):
		return "NO_PROXY has entries without a comma between them: the helper reads them, OpenCode does not.", "Put commas between them."
	case strings.TrimSpace(direct) != "*" && strings.ContainsAny(direct, `*/<"'`), strings.Contains(direct+",", ".,"): // <local> is from Windows
		return "NO_PROXY has patterns that OpenCode does not read, a dot at the end of a name, or quotes.", "Write hosts, or domains such as .example.com; addresses one by one."
	}
	return "", ""
}

// checkCAVariables checks the variables that name a company's own CA for the helper and for
// OpenCode.
func checkCAVariables(_ context.Context, _ *system) Finding {
	var set []string
	for _, name := range network.CAVariables {
		path := os.Getenv(name)
		if path == "" {
			continue
		}
		certificates, unused, err := network.ReadCertificates(path)
		if err != nil {
			return fail(problem.Config, fmt.Sprintf("%s names %s, which %v.", name, path, err),
				"Correct the variable; it must name a file of certificates in PEM form.")
		}
		set = append(set, fmt.Sprintf("%s=%s (%s)", name, path, counted(len(certificates), "certificate")))
		for _, one := range unused {
			set = append(set, name+" has one that cannot be used, "+one)
		}
	}
	dirs, broken := network.CertificateDirectories()
	if broken != "" {
		return fail(problem.Config, broken+".", "Correct the variable, or unset it.")
	}
	if dirs != "" {
		set = append(set, "SSL_CERT_DIR="+dirs)
	}
	if len(set) == 0 {
		return ok("no CA of your own is set")
	}
	return ok("a CA of your own is set", set...)
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
