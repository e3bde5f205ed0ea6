package gateway

import (
	"encoding/xml"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oddProgram is a path with characters that service files must quote.
const oddProgram = `/home/o'neil & "co"/100% $HOME\bin/oci-oidc-helper`

// The service starts the right program, whatever characters its path has.
func TestServiceStartsTheProgram(t *testing.T) {
	for goos, starts := range map[string]string{
		"linux":   `ExecStart="/home/o'neil & \"co\"/100%% $$HOME\\bin/oci-oidc-helper" gateway`,
		"darwin":  `<string>/home/o&#39;neil &amp; &#34;co&#34;/100% $HOME\bin/oci-oidc-helper</string><string>gateway</string>`,
		"windows": `"` + oddProgram + `" gateway`,
	} {
		service, err := ServiceFor(goos, "/home/me", oddProgram, "501")
		if err != nil {
			t.Fatal(err)
		}
		if text := service.Text + strings.Join(slices.Concat(service.Begin...), "\n"); !strings.Contains(text, starts) {
			t.Errorf("%s: not %s, but %s", goos, starts, text)
		}
		if len(service.Begin) == 0 || len(service.End) == 0 {
			t.Errorf("%s: begins by %v, ends by %v", goos, service.Begin, service.End)
		}
	}
	if _, err := ServiceFor("plan9", "/home/me", oddProgram, ""); err == nil {
		t.Error("plan9 has a service manager")
	}
}

func TestLaunchdFileIsXML(t *testing.T) {
	service, _ := ServiceFor("darwin", "/Users/me", oddProgram, "501")
	for decoder := xml.NewDecoder(strings.NewReader(service.Text)); ; {
		if _, err := decoder.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSystemdAcceptsTheUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze")
	}
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	service, _ := ServiceFor("linux", home, program, "")
	file := filepath.Join(home, filepath.Base(service.File))
	write(t, file, service.Text)
	command := exec.Command("systemd-analyze", "--user", "verify", file)
	command.Env = append(command.Environ(), "XDG_RUNTIME_DIR="+home)
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}
