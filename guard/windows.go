package guard

import (
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard/shell"
)

// windowsPath returns the absolute path, with slashes, that a name has in a directory, on
// Windows or in Git Bash. It does not access the disk, so it works on every platform.
func windowsPath(name, directory, home string) string {
	name, directory, home = shell.Slashed(strings.Trim(name, `"`)), shell.Slashed(directory), shell.Slashed(home)
	if rest, ok := cutFold(name, "file://"); ok {
		name = rest
		if len(name) > 2 && name[0] == '/' && hasDrive(name[1:]) {
			name = name[1:]
		}
	}
	for _, prefix := range []string{"Microsoft.PowerShell.Core/", "FileSystem::", "//?/", "//./", "/??/"} {
		if rest, ok := cutFold(name, prefix); ok {
			name = rest
		}
	}
	if match := shareOfDrive().FindStringSubmatch(name); match != nil { // //localhost/c$/Users
		name = match[1] + ":/" + match[2]
	}
	if match := mountedDrive().FindStringSubmatch(name); match != nil { // /c/Users, /cygdrive/c/Users, /mnt/c/Users
		name = match[1] + ":/" + match[2]
	}
	drive := ""
	if hasDrive(directory) {
		drive = directory[:2]
	}
	switch {
	case name == "~" || strings.HasPrefix(name, "~/"):
		name = home + name[1:]
	case strings.HasPrefix(name, "//"):
	case strings.HasPrefix(name, "/"):
		name = drive + name
	case hasDrive(name) && !strings.HasPrefix(name[2:], "/"): // C:name is relative to the current directory of drive C
		if strings.EqualFold(name[:2], drive) {
			name = directory + "/" + name[2:]
		} else {
			name = name[:2] + "/" + name[2:]
		}
	case !hasDrive(name):
		name = directory + "/" + name
	}
	parts := strings.Split(path.Clean(name), "/")
	for i, part := range parts {
		if i > 0 || !hasDrive(part) {
			part, _, _ = strings.Cut(part, ":") // name:stream is an alternate data stream of the same file
		}
		if strings.Trim(part, ".") != "" {
			part = strings.TrimRight(part, ". ")
		}
		parts[i] = part
	}
	if len(parts) == 1 && hasDrive(parts[0]) {
		return parts[0] + "/"
	}
	return strings.Join(parts, "/")
}

var shareOfDrive = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^//(?:localhost|127\.0\.0\.1|\[?::1\]?|\.)/([a-z])\$/?(.*)$`)
})

var mountedDrive = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(?:/cygdrive|/mnt)?/([a-z])(?:/(.*))?$`)
})

func hasDrive(path string) bool {
	return len(path) >= 2 && path[1] == ':' && (path[0]|0x20) >= 'a' && (path[0]|0x20) <= 'z'
}

func cutFold(text, prefix string) (rest string, ok bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}
