package main

import (
	"os"
	"path/filepath"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
)

// logFiles are the logs in a home.
var logFiles = map[string]string{
	"helper":   "oci-oidc-debug.log",
	"opencode": ".local/share/opencode/log/*.log",
}

// logDir returns the directory for the logs of the last demo. They hold no secrets.
func logDir() (string, error) {
	root, err := opencode.Root()
	return filepath.Join(root, "build", "demo"), err
}

// forgetLogs removes the logs of the demo before.
func forgetLogs() error {
	dir, err := logDir()
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// keepLogs copies the logs out of a home.
func keepLogs(home, name string) {
	dir, err := logDir()
	if err != nil || os.MkdirAll(dir, 0o700) != nil {
		return
	}
	for program, pattern := range logFiles {
		var all []byte
		files, _ := filepath.Glob(filepath.Join(home, pattern))
		for _, file := range files {
			text, _ := os.ReadFile(file) // what cannot be read cannot be kept
			all = append(all, text...)
		}
		if len(all) > 0 {
			_ = os.WriteFile(filepath.Join(dir, name+"-"+program+".log"), all, 0o600)
		}
	}
}

// showLogs shows where the logs are.
func (t *transcript) showLogs() {
	dir, err := logDir()
	if err != nil {
		return
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, file := range files {
		t.fact("log", file)
	}
}
