package gateway

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// A Service describes how to run the gateway as a service of the user: a file, if the
// service manager needs one, and commands.
type Service struct {
	Manager string // the service manager's name, for messages
	File    string // "" if it needs no file
	Text    string // the file's content
	Begin   [][]string
	End     [][]string
}

const (
	serviceName = "oci-oidc-gateway"
	serviceText = "OpenAI-compatible address for the models behind OCI (oci-oidc-helper gateway)"
)

// ServiceFor returns the service for an operating system (a runtime.GOOS) and for the user
// with this home directory and ID. program is the helper's path. Its error is a problem of
// kind Config.
func ServiceFor(goos, home, program, uid string) (Service, error) {
	switch goos {
	case "linux":
		unit := serviceName + ".service"
		return Service{
			Manager: "systemd",
			File:    filepath.Join(home, ".config", "systemd", "user", unit),
			Text: fmt.Sprintf(`[Unit]
Description=%s

[Service]
ExecStart=%s gateway
Restart=on-failure
RestartSec=10

[Install]
WantedBy=default.target
`, serviceText, systemdQuoted(program)),
			Begin: [][]string{{"systemctl", "--user", "daemon-reload"}, {"systemctl", "--user", "enable", "--now", unit}},
			End:   [][]string{{"systemctl", "--user", "disable", "--now", unit}},
		}, nil
	case "darwin":
		label := "com.github.opencode-oci-oidc." + serviceName
		file := filepath.Join(home, "Library", "LaunchAgents", label+".plist")
		return Service{
			Manager: "launchd",
			File:    file,
			Text: fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key><string>%s</string>
	<key>ProgramArguments</key><array><string>%s</string><string>gateway</string></array>
	<key>RunAtLoad</key><true/>
	<key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
	<key>ThrottleInterval</key><integer>10</integer>
</dict>
</plist>
`, label, xmlEscaped(program)),
			Begin: [][]string{{"launchctl", "bootstrap", "gui/" + uid, file}},
			End:   [][]string{{"launchctl", "bootout", "gui/" + uid + "/" + label}},
		}, nil
	case "windows":
		return Service{
			Manager: "Task Scheduler",
			Begin: [][]string{
				{"schtasks", "/Create", "/F", "/SC", "ONLOGON", "/TN", serviceName, "/TR", `"` + program + `" gateway`},
				{"schtasks", "/Run", "/TN", serviceName},
			},
			End: [][]string{{"schtasks", "/End", "/TN", serviceName}, {"schtasks", "/Delete", "/F", "/TN", serviceName}},
		}, nil
	default:
		return Service{}, problem.New(problem.Config, "There is no known service manager on "+goos+".",
			`Run "oci-oidc-helper gateway" by a means of your own.`)
	}
}

// systemdQuoted quotes text as one word of a unit file (systemd.service(5), "Command lines").
func systemdQuoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", "$$", "%", "%%").Replace(text) + `"`
}

func xmlEscaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}
