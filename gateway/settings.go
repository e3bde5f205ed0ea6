package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strconv"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// Settings are saved between runs of the gateway, so that the base URL and the key stay the
// same for the programs that use it. They hold no secret.
type Settings struct {
	Port int `json:"port,omitempty"` // 0 until the first start
	Key  Key `json:"keySHA256,omitempty"`
}

// maxSettingsSize limits the size of the file, in bytes.
const maxSettingsSize = 4 << 10

func settingsPath(p store.Places) string { return filepath.Join(p.StateDir, "gateway.json") }

// LoadSettings returns the settings, or the zero value if there is no file yet. Its error is
// a problem of kind Store.
func LoadSettings(p store.Places) (Settings, error) {
	var s Settings
	if p.StateDir == "" {
		return s, problem.New(problem.Store, "There is no home directory for the gateway's settings.", "Set HOME or XDG_STATE_HOME.")
	}
	text, err := regular.Read(settingsPath(p), maxSettingsSize)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return Settings{}, problem.New(problem.Store, fmt.Sprintf("The gateway's settings %s cannot be read: %s.", settingsPath(p), store.PlainCause(err)),
			`Make the file readable, or remove it and run "oci-oidc-helper gateway key" again.`).Because(err)
	}
	return s, nil
}

// UpdateSettings changes the settings under a lock, and returns them. Its error is a
// problem of kind Store.
func UpdateSettings(p store.Places, change func(*Settings)) (Settings, error) {
	path := settingsPath(p)
	unlock, ok, err := store.TryLock(path + ".lock")
	if err != nil {
		return Settings{}, err
	}
	if !ok {
		return Settings{}, problem.New(problem.Store, "Another oci-oidc-helper is changing the gateway's settings.", "Try again.").Passing()
	}
	defer unlock()
	s, err := LoadSettings(p)
	if err != nil {
		return Settings{}, err
	}
	change(&s)
	text, err := json.Marshal(s)
	if err == nil {
		err = store.Replace(path, append(text, '\n'))
	}
	if err != nil {
		return Settings{}, store.NotWritten(fmt.Sprintf("The gateway's settings could not be saved in %s", path), err)
	}
	return s, nil
}

// Listen opens the port on the loopback addresses of IPv4 and, if this machine has it, of
// IPv6. With port 0 the system chooses one. Its error is a problem of kind PortInUse or
// Network.
func Listen(port int) ([]net.Listener, int, error) {
	four, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		kind, hint := problem.Network, "Try again."
		if network.PortTaken(err) {
			kind, hint = problem.PortInUse, "A gateway may be running already; else choose another port with --port."
		}
		return nil, 0, problem.New(kind, fmt.Sprintf("Port %d of 127.0.0.1 cannot be opened.", port), hint).Because(err)
	}
	port = four.Addr().(*net.TCPAddr).Port
	listeners := []net.Listener{four}
	six, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
	switch {
	case err == nil:
		listeners = append(listeners, six)
	case network.PortTaken(err):
		// Programs that try IPv6 first would connect to the other program and send it the key.
		_ = four.Close()
		return nil, 0, problem.New(problem.PortInUse, fmt.Sprintf("Port %d of [::1] is taken by another program.", port),
			"Choose another port with --port.").Because(err)
	}
	return listeners, port, nil
}

// BaseURL returns the gateway's base URL for an endpoint.
func BaseURL(port int, id string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", port, pathOf(id))
}
