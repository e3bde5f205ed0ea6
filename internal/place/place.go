// Package place tells where this process runs, as far as it decides how a person
// can be reached. It goes by the environment and by a few files, asks nobody, and
// when it is in doubt, takes the machine for an ordinary one.
package place

import (
	"bytes"
	"os"
	"runtime"
	"strings"
)

// WSL reports a Linux inside of Windows.
func WSL() bool {
	if runtime.GOOS != "linux" {
		return false
	}
	release, _ := os.ReadFile("/proc/version")
	return os.Getenv("WSL_DISTRO_NAME") != "" || bytes.Contains(bytes.ToLower(release), []byte("microsoft"))
}

// SSH reports that the person is at another machine.
func SSH() bool { return anySet("SSH_CONNECTION", "SSH_TTY") }

// Container reports a container.
func Container() bool {
	return anySet("container", "REMOTE_CONTAINERS", "KUBERNETES_SERVICE_HOST") || exists("/.dockerenv") || exists("/run/.containerenv")
}

// CI reports that nobody is here: a job of continuous integration.
func CI() bool {
	value := os.Getenv("CI")
	return value != "" && value != "0" && !strings.EqualFold(value, "false")
}

// Browser reports whether a browser can be opened for the person. Whoever sets
// BROWSER has seen to it, as editors do that work on another machine.
func Browser() bool {
	switch {
	case CI():
		return false
	case anySet("BROWSER"):
		return true
	case SSH(), Container():
		return false
	case runtime.GOOS == "windows", runtime.GOOS == "darwin", WSL():
		return true
	default:
		return anySet("DISPLAY", "WAYLAND_DISPLAY")
	}
}

func anySet(names ...string) bool {
	for _, name := range names {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
