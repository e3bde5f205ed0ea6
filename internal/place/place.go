// Package place detects where this process runs (WSL, SSH, a container, CI), which decides
// how a person can sign in. It uses environment variables and a few files. Without a sign of
// anything else, it assumes an ordinary desktop.
package place

import (
	"bytes"
	"os"
	"runtime"
	"strings"
)

// WSL reports whether this is the Windows Subsystem for Linux.
func WSL() bool {
	if runtime.GOOS != "linux" {
		return false
	}
	release, _ := os.ReadFile("/proc/version")
	return os.Getenv("WSL_DISTRO_NAME") != "" || bytes.Contains(bytes.ToLower(release), []byte("microsoft"))
}

// SSH reports whether this is an SSH session, so that the person is at another machine.
func SSH() bool { return anySet("SSH_CONNECTION", "SSH_TTY") }

// Container reports whether this is a container.
func Container() bool {
	return anySet("container", "REMOTE_CONTAINERS", "KUBERNETES_SERVICE_HOST") || exists("/.dockerenv") || exists("/run/.containerenv")
}

// CI reports whether this is a job of continuous integration, without a person.
func CI() bool {
	value := os.Getenv("CI")
	return value != "" && value != "0" && !strings.EqualFold(value, "false")
}

// Browser reports whether a browser can be opened for the person. If BROWSER is set, it can:
// editors set it on a remote machine to a command that opens the person's own browser.
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
