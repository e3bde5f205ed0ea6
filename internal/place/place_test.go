package place

import (
	"runtime"
	"testing"
)

func TestBrowser(t *testing.T) {
	desktop := runtime.GOOS == "windows" || runtime.GOOS == "darwin" || WSL()
	for _, c := range []struct {
		name string
		env  map[string]string
		want bool
	}{
		{"a machine without a screen", nil, desktop},
		{"a desktop", map[string]string{"DISPLAY": ":0"}, true},
		{"Wayland", map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, true},
		{"SSH with a forwarded screen", map[string]string{"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "192.0.2.1 1 192.0.2.2 22"}, false},
		{"a container with a screen", map[string]string{"DISPLAY": ":0", "container": "podman"}, false},
		{"CI", map[string]string{"DISPLAY": ":99", "CI": "true"}, false},
		{"CI with a browser for its tests", map[string]string{"BROWSER": "chromium", "CI": "1"}, false},
		{"no CI", map[string]string{"DISPLAY": ":0", "CI": "false"}, true},
		{"an editor's terminal over SSH", map[string]string{"BROWSER": "/editor/open", "SSH_TTY": "/dev/pts/1"}, true},
		{"a container's editor", map[string]string{"BROWSER": "/editor/open", "REMOTE_CONTAINERS": "true"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"BROWSER", "SSH_CONNECTION", "SSH_TTY", "container", "REMOTE_CONTAINERS", "KUBERNETES_SERVICE_HOST", "CI", "DISPLAY", "WAYLAND_DISPLAY"} {
				t.Setenv(name, c.env[name])
			}
			if exists("/.dockerenv") || exists("/run/.containerenv") {
				if c.env["BROWSER"] == "" && c.want {
					t.Skip("this test runs in a container")
				}
			}
			if got := Browser(); got != c.want {
				t.Errorf("Browser() = %t, want %t", got, c.want)
			}
		})
	}
}

func TestWSL(t *testing.T) {
	t.Setenv("WSL_DISTRO_NAME", "Debian")
	if got, want := WSL(), runtime.GOOS == "linux"; got != want {
		t.Errorf("WSL() = %t, want %t", got, want)
	}
}
