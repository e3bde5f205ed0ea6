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
	for _, form := range otherForms() {
		name = form.pattern.ReplaceAllString(name, form.plain)
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

type form struct {
	pattern *regexp.Regexp
	plain   string // what replaces a match
}

// otherForms are ways to write a path that begins at a drive, in the order in which they
// apply. Nothing tells whether \\host is this computer, so any drive of a host counts as one
// of this computer, and any volume as the current drive.
var otherForms = sync.OnceValue(func() (forms []form) {
	for _, row := range [][2]string{
		{`^file:/*([a-z]:)`, "$1"},
		{`^file://([^/]+/[a-z]\$)`, "//$1"},
		{`^file://`, ""},
		{`^(?:Microsoft\.PowerShell\.Core/)?FileSystem::`, ""},
		{`^/[/?][?.]/(?:GLOBALROOT/)?UNC/`, "//"},
		{`^/[/?][?.]/(?:GLOBALROOT/Device/[^/]+|Volume\{[^/]*)/`, "/"},
		{`^/[/?][?.]/`, ""},
		{`^//[^/]+/(?:DavWWWRoot/)?([a-z])\$(?:/|$)`, "$1:/"},
		{`^(?:/proc)?(?:/cygdrive|/mnt)?/([a-z])(?:/|$)`, "$1:/"}, // of Git Bash, Cygwin and WSL
	} {
		forms = append(forms, form{regexp.MustCompile("(?i)" + row[0]), row[1]})
	}
	return forms
})

func hasDrive(path string) bool {
	return len(path) >= 2 && path[1] == ':' && (path[0]|0x20) >= 'a' && (path[0]|0x20) <= 'z'
}
